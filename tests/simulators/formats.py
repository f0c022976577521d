"""The wire formats of five hosts, written after the vendors' documents: what they take in, and what they answer.

Fields that TwinLens never sends are refused, or ignored where the vendor's pages do not name all; times, seeds and
states that a host may tell beside a picture are in the hosts' own tests.
"""

from aiohttp import web

from evals.facts.pricing import SIZES
from evals.generation.simulated.charging import price_usd
from evals.generation.simulated.delivery import carries_key, delivery_address, delivery_routes
from evals.generation.simulated.host import Order
from evals.generation.simulated.server import size_name
from tests.simulators.fields import InvalidField, check, is_text, one_of, pictures, whole

_OUTCOMES = {"refuse_prompt": "refused", "filter_image": "filtered", "error_status": "failed"}
_REPLICATE_NANO_BANANA_RULES = {
    "prompt": is_text,
    "aspect_ratio": one_of("1:1"),
    "resolution": one_of("1K", "2K", "4K"),
    "output_format": one_of("png", "jpg"),
    "image_input": lambda value: isinstance(value, list),
}

_REPLICATE_RULES = {
    "prompt": is_text,
    "aspect_ratio": one_of("custom"),
    "width": whole(256, 2048),
    "height": whole(256, 2048),
    "seed": whole(),
    "output_format": one_of("png"),
    "output_quality": whole(0, 100),
    "input_images": lambda value: isinstance(value, list),
}
_REPLICATE_FLEX_RULES = {"prompt_upsampling": one_of(False), "steps": whole(1, 50), "guidance": whole(2, 10)}
_REPLICATE_ERRORS = {
    "refused": "The input or output was flagged as sensitive. Please try again with different inputs. (E005)",
    "filtered": "NSFW content detected in the generated image. Try running it again, or try a different prompt.",
    "failed": "An unexpected error occurred while the model ran. (E1000)",
}
_FAL_RULES = {
    "prompt": is_text,
    "seed": whole(),
    "output_format": one_of("png"),
    "aspect_ratio": one_of("1:1"),
    "resolution": one_of("0.5K", "1K", "2K", "4K"),
    "safety_tolerance": one_of(*"123456"),
    "num_inference_steps": whole(10, 50),
    "acceleration": one_of("none"),
}
_FAL_SIDES = {"width": whole(1), "height": whole(1)}
_FAL_STATES = {
    "queued": {"status": "IN_QUEUE", "queue_position": 0},
    "working": {"status": "IN_PROGRESS", "logs": None},
    "ready": {"status": "COMPLETED", "logs": None},
}
_ATLASCLOUD_RULES = {
    "prompt": is_text,
    "seed": whole(0),
    "size": is_text,
    "output_format": one_of("png"),
    "safety_tolerance": whole(1, 5),
    "aspect_ratio": one_of("1:1"),
    "resolution": one_of("1k", "2k", "4k"),
}
_ATLASCLOUD_ERRORS = {
    "refused": "The prompt was rejected: it was flagged by content moderation.",
    "filtered": "The generated image was withheld: it was flagged by content moderation (NSFW).",
    "failed": "The model failed while it ran.",
}
_FIREWORKS_AT_ONCE = {"prompt": is_text, "seed": whole(1), "aspect_ratio": one_of("1:1")}
_FIREWORKS_OF_TASKS = {
    **_FIREWORKS_AT_ONCE,
    "seed": whole(0),
    "input_image": is_text,
    "output_format": one_of("png"),
    "prompt_upsampling": one_of(False),
}


def routes(server):
    return _FORMATS[server.name](server).routes()


def render_error(name, problem):
    return _FORMATS[name].error(problem.status, problem.message, problem.headers)


class _Tasks:
    """Takes requests in as tasks and is asked for them; a format says how its requests and answers look."""

    scheme, submit_at, poll_at = "Bearer", "", ""

    def __init__(self, server):
        self.server = server

    def routes(self):
        polls = [web.get(self.poll_at, self.poll)] if self.poll_at else []
        return [web.post(self.submit_at, self.submit), *polls, *delivery_routes(self.server)]

    def require_key(self, request):
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        self.server.require_key(key if scheme == self.scheme else None)

    async def submit(self, request):
        self.require_key(request)
        body = await request.json()
        name = self.name(request, body)
        try:
            order = self.order(self.server.known_model(name), name, body)
        except InvalidField as invalid:
            return self.invalid(request, invalid)
        return await self.accepted(request, self.take_in(order))

    async def poll(self, request):
        self.require_key(request)
        job = self.server.find(request.match_info["task_id"])
        if job is None:
            return self.error(404, "not found")
        return web.json_response(self.state(request, job, self.stage(job)))

    def take_in(self, order):
        """Take an order in; it is charged whatever becomes of it."""
        job = self.server.take_in(order)
        self.server.charge(job, price_usd(order) * n_pictures(job))
        return job

    @staticmethod
    def stage(job):
        """Return ``queued``, ``working`` or, once it is ready, the outcome, which is written down."""
        if job.phase != "ready":
            return job.phase
        job.call.outcome = _OUTCOMES.get(job.behaviour, "ok")
        return job.call.outcome

    def invalid(self, request, invalid):
        return self.error(400, str(invalid))


class Replicate(_Tasks):
    submit_at, poll_at = "/v1/models/{owner}/{name}/predictions", "/v1/predictions/{task_id}"

    @staticmethod
    def error(status, detail, headers=None):
        # How long to wait stands in the body, and nowhere else.
        wait = {"retry_after": float(headers["Retry-After"])} if headers else {}
        return web.json_response({"title": "Error", "detail": detail, "status": status, **wait}, status=status)

    def name(self, request, body):
        return "{owner}/{name}".format_map(request.match_info)

    def order(self, model, name, body):
        check(body, {"input": lambda value: isinstance(value, dict)}, ("input",))
        fields = body["input"]
        if "nano-banana" in model.api_id:
            check(fields, _REPLICATE_NANO_BANANA_RULES, ("prompt",))
            references = pictures("image_input", fields.get("image_input", []), 0, model.references_at_most)
            side = SIZES[fields.get("resolution", "1K")]
            return _order(model, fields, side, side, references, fields.get("output_format", "jpg"), "resolution")
        of_flex = _REPLICATE_FLEX_RULES if model.api_id.endswith("-flex") else {}
        of_api = {} if model.api_id.endswith("-dev") else {"safety_tolerance": whole(1, 5)}
        check(fields, _REPLICATE_RULES | of_api | of_flex, ("prompt", "aspect_ratio", "width", "height"))
        references = pictures("input_images", fields.get("input_images", []), 0, model.references_at_most)
        return _order(model, fields, fields["width"], fields["height"], references, "png", "width")

    def invalid(self, request, invalid):
        return self.error(422, f"- input.{invalid}")

    async def accepted(self, request, job):
        return web.json_response(self.state(request, job, "queued"), status=201)

    def state(self, request, job, stage):
        here = f"{self.server.address(request)}/v1/predictions/{job.task_id}"
        status = {"queued": "starting", "working": "processing", "ok": "succeeded"}.get(stage, "failed")
        address = delivery_address(request, self.server, job)
        # FLUX answers with one address, models that may make several with a list.
        output = None if stage != "ok" else address if n_pictures(job) == 1 else [address] * n_pictures(job)
        urls = {"get": here, "cancel": f"{here}/cancel"}
        identity = {"id": job.task_id, "model": job.order.model.api_id, "version": "hidden", "urls": urls}
        return {**identity, "status": status, "output": output, "error": _REPLICATE_ERRORS.get(stage)}


class Fal(_Tasks):
    """Takes in whatever is JSON: what is wrong shows at the response address, costs nothing, and is no task."""

    scheme = "Key"

    def __init__(self, server):
        super().__init__(server)
        self.wrong = {}

    def routes(self):
        task = "/{owner}/{app}/requests/{task_id}"
        submissions = [web.post(path, self.submit) for path in ("/{owner}/{app}", "/{owner}/{app}/{path:.+}")]
        polls = [web.get(f"{task}/status", self.poll), web.get(task, self.response)]
        return [*submissions, *polls, *delivery_routes(self.server)]

    @staticmethod
    def error(status, detail, headers=None):
        if status == 402:
            status, detail = 403, "User is locked. Reason: Exhausted balance."
        kinds = {429: "rate_limited", 500: "internal_error", 503: "runner_scheduling_failure"}
        return web.json_response({"detail": detail, "error_type": kinds.get(status)}, status=status, headers=headers)

    @staticmethod
    def of_model(kind, message, *place):
        return web.json_response({"detail": [{"loc": ["body", *place], "msg": message, "type": kind}]}, status=422)

    def name(self, request, body):
        return request.path.removeprefix(f"/{self.server.name}/")

    def order(self, model, name, body):
        check(body, _FAL_RULES, closed=False)
        if "nano-banana" in model.api_id:
            resolution = body.get("resolution", "1K")
            width = height = SIZES["512" if resolution == "0.5K" else resolution]
        else:
            check(body.get("image_size"), _FAL_SIDES, tuple(_FAL_SIDES))
            width, height = body["image_size"]["width"], body["image_size"]["height"]
        is_edit = name == model.edit_api_id
        references = pictures("image_urls", body.get("image_urls"), 1, model.references_at_most) if is_edit else ()
        return _order(model, body, width, height, references, body.get("output_format", "jpeg"), "image_size")

    def invalid(self, request, invalid):
        self.wrong["invalid"] = invalid
        return self.queued(request, "invalid")

    async def accepted(self, request, job):
        return self.queued(request, job.task_id)

    def queued(self, request, task_id):
        owner_and_app = "{owner}/{app}".format_map(request.match_info)
        here = f"{self.server.address(request)}/{owner_and_app}/requests/{task_id}"
        addresses = {"response_url": here, "status_url": f"{here}/status", "cancel_url": f"{here}/cancel"}
        return web.json_response({"request_id": task_id, **addresses, **_FAL_STATES["queued"]})

    async def poll(self, request):
        if request.match_info["task_id"] in self.wrong:
            return web.json_response(_FAL_STATES["ready"])
        return await super().poll(request)

    def state(self, request, job, stage):
        return _FAL_STATES.get(stage, _FAL_STATES["ready"])

    async def response(self, request):
        self.require_key(request)
        task_id = request.match_info["task_id"]
        if task_id in self.wrong:
            return self.of_model("value_error", str(self.wrong[task_id]), self.wrong[task_id].field)
        job = self.server.jobs[task_id]
        stage = self.stage(job)
        if stage == "refused":
            return self.of_model("content_policy_violation", "It was flagged by a content checker.", "prompt")
        if stage == "failed":
            failed = {"detail": "The runner encountered an internal server error.", "error_type": "runner_server_error"}
            return web.json_response(failed, status=500)
        images = [{"url": delivery_address(request, self.server, job)}] * n_pictures(job)
        return web.json_response({"images": images, "has_nsfw_concepts": [stage == "filtered"] * len(images)})


class AtlasCloud(_Tasks):
    submit_at, poll_at = "/api/v1/model/generateImage", "/api/v1/model/prediction/{task_id}"

    @staticmethod
    def error(status, message, headers=None):
        return web.json_response({"code": status, "message": message, "data": None}, status=status, headers=headers)

    def name(self, request, body):
        return body["model"]

    def order(self, model, name, body):
        field = "resolution" if "nano-banana" in model.api_id else "size"
        check(body, _ATLASCLOUD_RULES, ("prompt", field), closed=False)
        width, height = map(int, body["size"].split("*")) if field == "size" else [SIZES[body[field].upper()]] * 2
        is_edit = name == model.edit_api_id
        references = pictures("images", body.get("images"), 1, model.references_at_most) if is_edit else ()
        return _order(model, body, width, height, references, body.get("output_format", "jpeg"), field)

    async def accepted(self, request, job):
        return web.json_response(self.state(request, job, "working"))

    def state(self, request, job, stage):
        status = {"queued": "processing", "working": "processing", "ok": "completed"}.get(stage, "failed")
        outputs = [delivery_address(request, self.server, job)] * n_pictures(job) if stage == "ok" else None
        data = {"id": job.task_id, "model": job.order.model.api_id, "status": status, "outputs": outputs}
        data |= {"error": _ATLASCLOUD_ERRORS.get(stage, ""), "has_nsfw_contents": [stage == "filtered"]}
        return {"code": 200, "message": "success", "data": data}


class Fireworks(_Tasks):
    """FLUX.1 answers with the picture itself, FLUX.1 Kontext with the id of a task."""

    workflows = "/inference/v1/workflows/accounts/fireworks/models/{model}"
    submit_at = workflows

    def routes(self):
        answers = {"text_to_image": self.submit, "get_result": self.get_result}
        return [*(web.post(f"{self.workflows}/{name}", answer) for name, answer in answers.items()), *super().routes()]

    @staticmethod
    def error(status, message, headers=None):
        error = {"object": "error", "code": "error", "message": message}
        return web.json_response({"error": error}, status=status, headers=headers)

    def name(self, request, body):
        return request.match_info["model"]

    def order(self, model, name, body):
        check(body, _FIREWORKS_OF_TASKS if "kontext" in model.api_id else _FIREWORKS_AT_ONCE)
        images = [body["input_image"]] if "input_image" in body else []
        references = pictures("input_image", images, 0, model.references_at_most, as_uri=False)
        return _order(model, body, 1024, 1024, references, "png", "aspect_ratio")

    async def accepted(self, request, job):
        if "kontext" in job.order.model.api_id:
            return web.json_response({"request_id": job.task_id})
        await self.server.work(job)
        stage = self.stage(job)
        if stage == "refused":
            return self.error(400, "The prompt was flagged by the content filter.")
        headers = {"Finish-Reason": "CONTENT_FILTERED" if stage == "filtered" else "SUCCESS"}
        return web.Response(body=await self.server.picture(job), content_type="image/png", headers=headers)

    async def get_result(self, request):
        self.require_key(request)
        job = self.server.jobs[(await request.json())["id"]]
        stage = self.stage(job)
        statuses = {"ok": "Ready", "refused": "Request Moderated", "filtered": "Content Moderated", "failed": "Error"}
        result = {"sample": delivery_address(request, self.server, job)} if stage == "ok" else None
        return web.json_response({"id": job.task_id, "status": statuses.get(stage, "Pending"), "result": result})


class ComfyUI(_Tasks):
    """A server of one's own: no key, no charge, no moderation; errors are those of a gateway before it."""

    submit_at, poll_at = "/prompt", "/history/{task_id}"

    def routes(self):
        return [*super().routes(), web.get("/queue", self.queue), web.get("/view", self.view)]

    @staticmethod
    def error(status, message, headers=None):
        return web.Response(status=status, text=f"{status}: {message}", headers=headers)

    async def submit(self, request):
        """Read what the graph asks for, by the links that lead to the node that saves the picture."""
        graph = (await request.json())["prompt"]

        def behind(node, *names):
            for name in names:
                node = graph[node["inputs"][name][0]]
            return node

        saving = next(node for node in graph.values() if node["class_type"] == "SaveImage")
        sampler = behind(saving, "images", "samples")
        loader, latent = behind(sampler, "model"), behind(sampler, "latent_image")["inputs"]
        fields = {"prompt": behind(sampler, "positive")["inputs"]["text"], "seed": sampler["inputs"]["seed"]}
        model = self.server.model(loader["inputs"]["ckpt_name"])
        if model is None:
            return self.objection(loader, "value_not_in_list", "ckpt_name")
        try:
            check(fields, {"prompt": is_text, "seed": whole(0, 2**64 - 1)}, ("prompt", "seed"))
        except InvalidField as invalid:
            return self.objection(sampler, "invalid_input_type", invalid.field)
        job = self.take_in(_order(model, fields, latent["width"], latent["height"], (), "png", "width"))
        return web.json_response({"prompt_id": job.task_id, "number": 0, "node_errors": {}})

    @staticmethod
    def objection(node, kind, name):
        error = {"type": kind, "message": kind, "details": name}
        node_errors = {"3": {"errors": [error], "class_type": node["class_type"]}}
        summary = {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation"}
        return web.json_response({"error": summary, "node_errors": node_errors}, status=400)

    def state(self, request, job, stage):
        if stage in ("queued", "working"):
            return {}
        image = {"filename": f"{job.task_id}.png", "subfolder": "", "type": "output"}
        if stage == "ok":
            status = {"status_str": "success", "completed": True, "messages": []}
            return {job.task_id: {"outputs": {"9": {"images": [image]}}, "status": status}}
        problem = {"node_id": "3", "node_type": "KSampler", "exception_type": "torch.OutOfMemoryError"}
        status = {"status_str": "error", "completed": False, "messages": [["execution_error", problem]]}
        return {job.task_id: {"outputs": {}, "status": status}}

    async def queue(self, request):
        entries = {"queued": [], "working": [], "ready": []}
        for task_id, job in self.server.jobs.items():
            entries[job.phase].append([0, task_id])
        return web.json_response({"queue_running": entries["working"], "queue_pending": entries["queued"]})

    async def view(self, request):
        job = self.server.jobs[request.query["filename"].removesuffix(".png")]
        job.call.keys_at_delivery += carries_key(request, self.server)
        if job.behaviour == "expired":
            return web.Response(status=404)
        return web.Response(body=await self.server.picture(job), content_type="image/png")


def n_pictures(job):
    return 2 if job.behaviour == "two_pictures" else 1


def _order(model, fields, width, height, references, format, of_size):
    size = size_name(width, height)
    if size not in model.sizes:
        raise InvalidField(of_size)
    return Order(model, fields["prompt"], fields.get("seed"), width, height, size, format, references)


_FORMATS = {"replicate": Replicate, "fal": Fal, "fireworks": Fireworks, "atlascloud": AtlasCloud, "comfyui": ComfyUI}
