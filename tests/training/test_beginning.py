"""What a run begins with where ranks share a model: together what one has, and none more than its part."""

from __future__ import annotations

import io
import shutil
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
import torch.distributed as dist
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils._python_dispatch import TorchDispatchMode

from mypt.check import check
from mypt.model import GPTConfig, LanguageModel, build_model
from mypt.model.own import rows_here
from mypt.model.weights import fitted
from mypt.settings.resolve import Request
from mypt.training import optimizer as adamw
from mypt.training.already import make_up
from mypt.training.beginning import Beginning
from mypt.training.build import Built, build
from mypt.training.console import Console
from mypt.training.engine import Engine
from mypt.training.numerics import Numerics
from mypt.training.parts import Parts, share_out
from tests.model import modded_models, small_models

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="FSDP is not there")

WORLD = 3
NETWORKS = {name: small_models.config(**fields) for name, fields in small_models.VARIANTS.items()}
NETWORKS |= {arch: modded_models.config(arch) for arch in ("modded_small", "modded_medium")}


@pytest.fixture(params=range(WORLD))
def rank(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """This process is one of several ranks, and the others are only said to be there."""

    def parts(self: Parts, engine: Engine) -> None:
        self._numerics, self._leads = engine.numerics, request.param == 0

    monkeypatch.setattr(Parts, "__init__", parts)
    dist.init_process_group("fake", rank=request.param, world_size=WORLD, store=FakeStore())
    yield request.param
    dist.destroy_process_group()


def shared(config: GPTConfig, first: Beginning, kernel: str = "sdpa") -> Engine:
    """What a rank has of a model after the ranks have shared it out."""
    with torch.device("meta"):
        model = build_model(config, seed=None)
    model.set_kernel(kernel)
    optimizer = adamw.build(model, learning_rate=0.1, weight_decay=0.1)
    numerics = Numerics(device="cpu", precision="fp32", attention=kernel, compile=False, threads=1)
    ranks = SimpleNamespace(world=WORLD)
    made = SimpleNamespace(model=model, optimizer=optimizer, scaler=None, numerics=numerics, ranks=ranks)
    share_out(cast(Engine, made), first)
    return cast(Engine, made)


def assert_its_rows(part: Any, whole: torch.Tensor, rank: int) -> None:
    """`part` has the rows of `whole` that fall to that rank."""
    own, first = rows_here(part)
    share = -(-len(whole) // WORLD)
    wanted = whole[rank * share : (rank + 1) * share]
    assert part.shape == whole.shape and torch.equal(own, wanted) and (first == rank * share or not len(own))


def assert_shared(model: LanguageModel, whole: LanguageModel, rank: int) -> None:
    parts, weights = list(model.named_parameters()), list(whole.named_parameters())
    assert [name for name, _ in parts] == [name for name, _ in weights]
    for (_, part), (_, weight) in zip(parts, weights, strict=True):
        assert_its_rows(part, weight, rank)
    tables = dict(model.named_buffers())
    for name, table in whole.named_buffers():
        assert torch.equal(tables[name], table), name


@pytest.mark.parametrize("network", NETWORKS)
def test_a_new_model_is_drawn_as_by_one_process(rank: int, network: str) -> None:
    config = NETWORKS[network]
    whole = build_model(config, seed=5)
    whole.set_kernel("plain")
    assert_shared(shared(config, Beginning(5), "plain").model, whole, rank)


def test_a_base_is_adapted_as_by_one_process(rank: int) -> None:
    # More positions than the base has, and one matrix of the two that it has.
    base = small_models.model(seed=9).state_dict()
    config = small_models.config(block_size=24, tie_weights=True)
    whole = build_model(config, seed=5)
    found, notices = fitted(whole, base, adapt=True)
    Beginning(5, found).fill(whole)
    table = whole.state_dict()["position_embedding_table.weight"]
    assert torch.equal(table[:16], base["position_embedding_table.weight"]) and len(notices) == 2
    assert torch.equal(
        table[16:], build_model(config, seed=5).state_dict()["position_embedding_table.weight"][16:]
    )
    engine = shared(config, Beginning(5, found))
    assert_shared(engine.model, whole, rank)
    names = dict(engine.model.named_parameters(remove_duplicate=False))
    assert names["lm_head.weight"] is names["token_embedding_table.weight"]


def test_moments_lie_as_the_weights_do(rank: int) -> None:
    whole = build_model(NETWORKS["learned"], seed=5)
    optimizer = adamw.build(whole, learning_rate=0.1, weight_decay=0.1)
    whole(small_models.ids(), small_models.ids(seed=1))[1].backward()
    optimizer.step()
    engine = shared(whole.config, Beginning(5, moments=optimizer.state_dict()))
    theirs = engine.optimizer.state_dict()["state"]
    assert len(theirs) == len(list(whole.parameters()))
    for number, moments in optimizer.state_dict()["state"].items():
        assert theirs[number]["step"] == 1
        for name in ("exp_avg", "exp_avg_sq"):
            assert_its_rows(theirs[number][name], moments[name], rank)


def test_only_the_one_that_draws_samples_has_a_copy_to_draw_from(rank: int) -> None:
    engine = shared(NETWORKS["tied"], Beginning(5))
    alone = engine.layout.alone(engine.model)
    assert (alone is engine.model) == (rank > 0)
    if rank == 0:
        own = dict(alone.named_parameters(remove_duplicate=False))
        assert own["lm_head.weight"] is own["token_embedding_table.weight"]
        assert alone.num_parameters() == engine.model.num_parameters()
        assert alone(small_models.ids())[0].shape == (2, 16, 29)


class Peak(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors in main memory that are made in it, and how many there were at most."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, list | tuple) else [made]:
            if isinstance(tensor, torch.Tensor):
                self._count(getattr(tensor, "_local_tensor", tensor).untyped_storage())
        return made

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if storage.device.type == "meta" or key in self._seen:
            return
        self._seen.add(key)
        self.now += size
        self.most = max(self.most, self.now)

        def gone() -> None:
            self._seen.discard(key)
            self.now -= size

        weakref.finalize(storage, gone)


@pytest.mark.parametrize("rank", [0], indirect=True)
def test_no_more_than_a_part_and_one_matrix_is_ever_in_memory(rank: int) -> None:
    config = small_models.config(n_layer=6)
    weights = dict(build_model(config, seed=5).named_parameters())
    with Peak() as peak:
        engine = shared(config, Beginning(5))
    largest, whole = (f(4 * w.numel() for w in weights.values()) for f in (max, sum))
    part = sum(4 * rows_here(own)[0].numel() for own in engine.model.parameters())
    assert part <= peak.now <= peak.most <= part + 2 * largest < whole


def built_by_one_of_two(
    monkeypatch: pytest.MonkeyPatch, workspace: Path, name: str, base: str | None = None
) -> Built:
    """What a rank has of the run of a model before it meets the other one."""
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    given = {"parallel": "fsdp", "device": "cpu", "input_file": "input.txt", "block_size": "16"}
    given |= {"n_layer": "1", "n_head": "2", "n_embd": "16"}
    request = Request(name, init_from_model=base, given=given)
    return build(*check(request, workspace), Console(io.StringIO()))


@pytest.mark.parametrize("begins", ["new", "base", "checkpoint"])
def test_until_it_is_shared_out_a_rank_has_nothing_of_it(
    trained: Path, monkeypatch: pytest.MonkeyPatch, begins: str
) -> None:
    base, name = "dante" if begins == "base" else None, "dante" if begins == "checkpoint" else "m"
    made = built_by_one_of_two(monkeypatch, trained, name, base)
    assert all(parameter.is_meta for parameter in made.model.parameters())
    assert all(t.is_meta for state in made.engine.optimizer.state.values() for t in state.values())
    first = made.first
    assert first is not None and (first.seed is None) == (begins != "new")
    assert (first.weights is None) == (begins == "new")
    assert (first.moments is None) == (begins != "checkpoint")
    moments = first.moments["state"].values() if first.moments else ()
    tensors = [*(first.weights or {}).values(), *(each["exp_avg"] for each in moments)]
    if sys.platform == "linux":
        assert all(".pt" in mapping_of(tensor) for tensor in tensors), "it is read only as it is copied"


def mapping_of(tensor: torch.Tensor) -> str:
    """What the kernel says of the memory that a tensor lies in: the file, where it is one's."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        begin, end = (int(place, 16) for place in line.split()[0].split("-"))
        if begin <= tensor.data_ptr() < end:
            return line
    return ""


def test_whoever_has_no_other_to_share_with_has_all_of_it(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing is left to train, so the others go; the light copy is made up for.
    light = trained / "checkpoints" / "dante_fp16"
    before = (light / "model.pt").read_bytes()
    shutil.rmtree(light)
    make_up(built_by_one_of_two(monkeypatch, trained, "dante"), Console(io.StringIO()))
    assert (light / "model.pt").read_bytes() == before
