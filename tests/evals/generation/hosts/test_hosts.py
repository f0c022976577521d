import subprocess
import sys

import pytest

from evals.facts.models import read_facts
from evals.generation.answers import HostUnavailable
from evals.generation.hosts import HOSTS, load_host
from evals.generation.hosts.local import Local
from tests.evals.generation.hosts.conftest import HTTP_HOSTS, KEY


@pytest.mark.parametrize("name", HTTP_HOSTS)
def test_another_address_can_stand_in_for_the_vendors_which_does_not_get_its_key(name):
    facts = read_facts().hosts[name]
    host = load_host(facts, KEY, "http://127.0.0.1:9/")
    assert f"{type(host).__module__}:{type(host).__name__}" == HOSTS[name]
    assert host.base_url == "http://127.0.0.1:9"
    assert not host.owns(f"{facts.base_url}/v1")
    assert KEY not in repr(host) + repr(host.facts)
    if name != "vertex":  # which asks Google for a token
        assert load_host(facts, KEY).owns(f"{facts.base_url}/v1")


def test_hosts_of_ones_own_need_no_key():
    pytest.importorskip("diffusers", reason="the local host runs diffusers pipelines; it is an extra")
    facts = read_facts().hosts
    assert load_host(facts["comfyui"], None).keyed("http://127.0.0.1:8188/prompt") == {}
    assert isinstance(load_host(facts["local"], None), Local)


@pytest.mark.parametrize("key", [None, ""])
def test_a_missing_key_says_which_variable_to_set(key):
    with pytest.raises(HostUnavailable, match="set GEMINI_API_KEY or GOOGLE_API_KEY"):
        load_host(read_facts().hosts["google"], key)


def test_an_unknown_host_says_which_ones_there_are():
    facts = read_facts().hosts["bfl"].model_copy(update={"id": "midjourney"})
    with pytest.raises(HostUnavailable, match=r"no host 'midjourney'; there are google, .*comfyui"):
        load_host(facts, KEY)


def test_the_table_and_the_modules_load_no_heavy_library():
    script = (
        "import importlib, sys\n"
        "from evals.generation.hosts import HOSTS\n"
        "loaded = [name for name in sys.modules if name.startswith('evals.generation.hosts.')]\n"
        "assert not loaded, loaded\n"
        "for place in HOSTS.values(): importlib.import_module(place.partition(':')[0])\n"
        "heavy = {'httpx2', 'aiohttp', 'torch', 'diffusers', 'transformers', 'google.auth', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
