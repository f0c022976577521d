from __future__ import annotations

import subprocess
import sys

import pytest

from evals.generation.answers import Ended, HostUnavailable, Task
from evals.generation.hosts import HOSTS, load_host
from evals.generation.hosts.http_host import HttpHost
from evals.generation.hosts.local import Local

KEYED = ("google", "bfl", "replicate", "fal", "fireworks", "atlascloud")


def test_the_table_holds_every_host_of_the_facts():
    from evals.facts.models import read_facts

    assert set(read_facts().hosts) == set(HOSTS)


@pytest.mark.parametrize("name", KEYED)
def test_a_host_with_a_key_is_loaded_and_owns_its_address(host_facts, name):
    host = load_host(host_facts(name, "https://api.example.com", "example.com"), "a-key")
    assert isinstance(host, HttpHost)
    assert f"{type(host).__module__}:{type(host).__name__}" == HOSTS[name]
    assert host.owns("https://api.example.com/v1")
    assert "a-key" not in repr(host) + repr(host.facts)


@pytest.mark.parametrize("name", KEYED)
def test_another_address_can_stand_in_for_the_vendors(host_facts, name):
    host = load_host(host_facts(name, "https://api.example.com", "example.com"), "a-key", "http://127.0.0.1:9/")
    assert isinstance(host, HttpHost)
    assert host.base_url == "http://127.0.0.1:9"
    assert not host.owns("https://api.example.com/v1")


def test_vertex_is_loaded_for_a_server_on_this_machine(host_facts):
    host = load_host(host_facts("vertex", "https://aiplatform.googleapis.com"), "a-key", "http://127.0.0.1:9")
    assert f"{type(host).__module__}:{type(host).__name__}" == HOSTS["vertex"]


def test_hosts_of_ones_own_need_no_key(host_facts):
    pytest.importorskip("diffusers", reason="the local host runs diffusers pipelines; it is an extra")
    comfyui = load_host(host_facts("comfyui", "http://127.0.0.1:8188", key_variables=()), None)
    assert isinstance(comfyui, HttpHost)
    assert comfyui.keyed("http://127.0.0.1:8188/prompt") == {}
    assert isinstance(load_host(host_facts("local", "", key_variables=()), None), Local)


@pytest.mark.parametrize("key", [None, ""])
def test_a_missing_key_says_which_variable_to_set(host_facts, key):
    facts = host_facts("bfl", "https://api.bfl.ai", "bfl.ai", key_variables=("BFL_API_KEY", "BFL_KEY"))
    with pytest.raises(HostUnavailable, match="set BFL_API_KEY or BFL_KEY"):
        load_host(facts, key)


def test_an_unknown_host_says_which_ones_there_are(host_facts):
    with pytest.raises(HostUnavailable, match=r"no host 'midjourney'; there are google, .*comfyui"):
        load_host(host_facts("midjourney", "https://example.com"), "a-key")


@pytest.mark.parametrize("name", ["bfl", "replicate", "fal", "fireworks", "atlascloud", "comfyui"])
@pytest.mark.parametrize("status", [408, 425, 429, 499, 500, 502, 503, 504, 529])
def test_no_trouble_on_the_way_to_a_host_ends_an_accepted_task(host_facts, answer, name, status):
    host = load_host(host_facts(name, "https://api.example.com"), "a-key")
    read = host.read_poll(answer(b"<html>", status), Task("t", "https://api.example.com/t"))
    assert not isinstance(read, Ended)


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
