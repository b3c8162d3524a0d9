"""GPT against Hugging Face's GPT-2 with the same weights: logits, gradients, training, sampling."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

import andon
from andon import Tensor
from andon.core.errors import AndonError, ArgumentError, FileFormatError, ShapeError, StateError
from andon.models.gpt import GPT, PRESETS, GPTConfig, restrict

V, BLOCK, LAYERS, HEADS, C = 37, 16, 3, 4, 32


@pytest.fixture(scope="module")
def theirs():
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=V, n_positions=BLOCK, n_layer=LAYERS, n_head=HEADS, n_embd=C,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, initializer_range=0.2,
    )  # fmt: skip
    model = GPT2LMHeadModel(config)
    with torch.no_grad():
        for p in model.parameters():  # biases and norms too, so that each one matters
            p += 0.1 * torch.randn_like(p)
    return model.eval()


@pytest.fixture(scope="module")
def folder(theirs, tmp_path_factory):
    path = tmp_path_factory.mktemp("gpt2")
    theirs.save_pretrained(path)
    return path


@pytest.fixture
def ours(folder):
    return GPT.from_pretrained(folder).eval()


def tokens(B: int, T: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(V, size=(B, T))


def small(**options) -> GPT:
    andon.manual_seed(0)
    return GPT(GPTConfig(V, BLOCK, 2, 2, 16, **{"dropout": 0.0, **options})).eval()


def assert_close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(
        np.asarray(actual), expected.detach().numpy(), rtol=tolerance, atol=tolerance
    )


def their_loss(theirs, idx: np.ndarray) -> torch.Tensor:
    """In the model's own dtype: transformers would compute it in float32."""
    logits = theirs(torch.tensor(idx[:, :-1])).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.tensor(idx[:, 1:]).ravel())


def as_theirs(name: str, x: Tensor) -> np.ndarray:
    """A matrix, or its gradient, as GPT-2 keeps it."""
    linear = name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight"))
    return x.detach().numpy().T if linear else x.detach().numpy()


# ---- the same as Hugging Face's


def test_the_logits_are_those_of_gpt2(ours, theirs):
    idx = tokens(3, BLOCK)
    logits, loss = ours(andon.tensor(idx))
    assert loss is None
    assert_close(logits.detach(), theirs(torch.tensor(idx)).logits)


def test_the_loss_and_every_gradient_are_those_of_gpt2(ours, theirs):
    idx = tokens(3, BLOCK)
    _, loss = ours(andon.tensor(idx[:, :-1]), andon.tensor(idx[:, 1:]))
    loss.backward()
    theirs.zero_grad()
    expected = their_loss(theirs, idx)
    expected.backward()
    assert_close(loss.detach(), expected)
    their_gradients = {name: p.grad for name, p in theirs.named_parameters()}
    ours_by_name = dict(ours.named_parameters())
    assert set(ours_by_name) == set(their_gradients)
    for name, p in ours_by_name.items():
        assert_close(as_theirs(name, p.grad), their_gradients[name])


def test_five_steps_of_adamw_lead_to_the_same_weights(folder):
    """In float64: the keys' biases have no gradient, and AdamW makes steps of its rounding."""
    ours = GPT.from_pretrained(folder).double()
    theirs = GPT2LMHeadModel.from_pretrained(folder).double().eval()
    decayed = {id(m.weight) for m in theirs.modules() if type(m).__name__ == "Conv1D"}
    groups = [
        {"params": [p for p in theirs.parameters() if id(p) in decayed], "weight_decay": 0.3},
        {"params": [p for p in theirs.parameters() if id(p) not in decayed], "weight_decay": 0.0},
    ]
    optimizer = ours.configure_optimizers(1e-2, weight_decay=0.3)
    their_optimizer = torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.95))
    for step in range(5):
        idx = tokens(4, BLOCK, seed=step)
        optimizer.zero_grad()
        ours(andon.tensor(idx[:, :-1]), andon.tensor(idx[:, 1:]))[1].backward()
        optimizer.step()
        their_optimizer.zero_grad()
        their_loss(theirs, idx).backward()
        their_optimizer.step()
    their_weights = theirs.state_dict()
    for name, p in ours.named_parameters():
        assert_close(as_theirs(name, p), their_weights[name], 1e-9)


def test_greedy_generation_is_that_of_gpt2(ours, theirs):
    idx = tokens(2, 3)
    expected = theirs.generate(
        torch.tensor(idx), attention_mask=torch.ones(2, 3), max_new_tokens=BLOCK - 3,
        do_sample=False, pad_token_id=0, eos_token_id=None,
    )  # fmt: skip
    assert ours.generate(andon.tensor(idx), BLOCK - 3).tolist() == expected.tolist()


def test_the_names_of_a_state_dict_are_gpt2s(ours, theirs):
    assert set(ours.state_dict()) == set(theirs.state_dict())


# ---- loading


def test_a_sharded_checkpoint_loads_the_same(theirs, ours, tmp_path):
    theirs.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
    for name, x in GPT.from_pretrained(tmp_path).state_dict().items():
        assert np.array_equal(x.numpy(), ours.state_dict()[name].numpy()), name


def test_a_checkpoint_of_the_transformer_alone_loads_the_same(theirs, ours, tmp_path):
    """As the first GPT-2 was published: names without a prefix."""
    theirs.transformer.save_pretrained(tmp_path)
    idx = andon.tensor(tokens(2, 5))
    assert np.array_equal(GPT.from_pretrained(tmp_path)(idx)[0].detach(), ours(idx)[0].detach())


def test_an_output_layer_of_its_own_is_kept(tmp_path):
    config = GPT2Config(
        vocab_size=V, n_positions=BLOCK, n_layer=1, n_head=2, n_embd=16, tie_word_embeddings=False
    )
    theirs = GPT2LMHeadModel(config).eval()
    theirs.save_pretrained(tmp_path)
    model = GPT.from_pretrained(tmp_path)
    assert model.lm_head.weight is not model.transformer["wte"].weight
    idx = tokens(2, BLOCK)
    assert_close(model(andon.tensor(idx))[0].detach(), theirs(torch.tensor(idx)).logits)


def test_half_precision_weights_load_as_float32(theirs, ours, tmp_path):
    GPT2LMHeadModel(theirs.config).half().save_pretrained(tmp_path)
    assert {p.dtype for p in GPT.from_pretrained(tmp_path).parameters()} == {andon.float32}


CONFIGS = {
    "no JSON": "{",
    "no object": "[1, 2]",
    "nested too deep": "[" * 100_000,
    "a size that is text": {"n_layer": "three"},
    "a size that is infinite": {"n_embd": math.inf},
    "a size that is missing": {"n_head": None},
    "more layers than the file": {"n_layer": 10**9},
    "more tokens than the file": {"vocab_size": 10**12},
    "a block size of another model": {"n_positions": 8},
    "no heads": {"n_head": 0},
    "heads that do not divide": {"n_head": 5},
    "another activation": {"activation_function": "relu"},
    "another epsilon": {"layer_norm_epsilon": 1e-6},
    "another model": {"model_type": "llama"},
}


@pytest.mark.parametrize("change", CONFIGS.values(), ids=CONFIGS)
def test_a_wrong_configuration_is_an_error(folder, tmp_path, change):
    (tmp_path / "model.safetensors").symlink_to(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    text = change if isinstance(change, str) else json.dumps({**config, **change})
    (tmp_path / "config.json").write_text(text)
    with pytest.raises((FileFormatError, ShapeError), match="GPT"):
        GPT.from_pretrained(tmp_path)


def test_missing_and_damaged_weights_are_errors(folder, tmp_path):
    with pytest.raises(FileFormatError, match=r"config\.json"):
        GPT.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    with pytest.raises(FileFormatError, match="no weights"):
        GPT.from_pretrained(tmp_path)
    whole = (folder / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[:-10])
    with pytest.raises(FileFormatError, match=r"model\.safetensors"):
        GPT.from_pretrained(tmp_path)


def test_a_checkpoint_that_lacks_a_weight_is_an_error(folder, tmp_path):
    from andon.importers import safetensors

    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    arrays = safetensors.load(folder / "model.safetensors")
    del arrays["transformer.h.1.mlp.c_fc.bias"]
    safetensors.save(arrays, tmp_path / "model.safetensors")
    with pytest.raises(StateError, match=r"h\.1\.mlp\.c_fc\.bias"):
        GPT.from_pretrained(tmp_path)


# ---- the model


def formula(V: int, T: int, L: int, C: int) -> int:
    """The parameters of a tied GPT: tables, blocks, and the last norm."""
    block = 12 * C * C + 13 * C  # 4 C² + 4 C of attention, 8 C² + 5 C of the MLP, 4 C of norms
    return V * C + T * C + L * block + 2 * C


@pytest.fixture
def unfilled(monkeypatch):
    """Parameters keep their untouched memory, which takes no room even for 1.5 billion."""
    for name in ("normal_", "uniform_"):
        monkeypatch.setattr(Tensor, name, lambda self, *args, **options: self)


@pytest.mark.parametrize("name", PRESETS)
def test_the_parameters_of_a_preset_are_as_many_as_the_formula_says(unfilled, name):
    tied = GPT(GPTConfig.preset(name, 50257, 1024, tied=True))
    n_layer, _, n_embd = PRESETS[name]
    assert sum(p.numel() for p in tied.parameters()) == formula(50257, 1024, n_layer, n_embd)


def test_the_published_sizes_come_out(unfilled):
    millions = {"gpt2": 124, "gpt2-medium": 355, "gpt2-large": 774, "gpt2-xl": 1558}
    for name, expected in millions.items():
        n_layer, _, n_embd = PRESETS[name]
        assert round(formula(50257, 1024, n_layer, n_embd) / 1e6) == expected
    assert round(formula(40478, 512, 12, 768) / 1e6) == 117  # openai-gpt


def test_tied_weights_are_one_parameter():
    tied, free = small(tied=True), small()
    count = sum(p.numel() for p in free.parameters()) - sum(p.numel() for p in tied.parameters())
    assert count == V * 16
    assert tied.lm_head.weight is tied.transformer["wte"].weight
    assert set(tied.state_dict()) == set(free.state_dict())


def test_matrices_are_decayed_and_nothing_else():
    model = small()
    decayed, others = model.configure_optimizers(weight_decay=0.1).param_groups
    names = {id(p): name for name, p in model.named_parameters()}
    assert {p.ndim for p in decayed["params"]} == {2}
    assert sorted(names[id(p)] for p in others["params"] if p.ndim == 2) == [
        "transformer.wpe.weight", "transformer.wte.weight",
    ]  # fmt: skip
    assert len(decayed["params"]) + len(others["params"]) == len(names)
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.1, 0.0)


def test_residual_branches_start_smaller():
    andon.manual_seed(0)
    model = GPT(GPTConfig(V, BLOCK, 8, 2, 64))
    expected = 0.02 / math.sqrt(2 * 8)
    for block in model.transformer["h"]:
        assert abs(block.mlp.c_proj.weight.detach().numpy().std() / expected - 1) < 0.1
        assert abs(block.mlp.c_fc.weight.detach().numpy().std() / 0.02 - 1) < 0.1


def test_a_fresh_model_guesses_all_tokens_alike():
    idx = andon.tensor(tokens(8, BLOCK))
    _, loss = small()(idx, idx)
    assert abs(loss.item() - math.log(V)) < 0.1


def test_targets_of_minus_one_do_not_count():
    model, idx = small(), tokens(2, 6)
    targets = tokens(2, 6, seed=1)
    targets[:, :4] = -1
    logits, loss = model(andon.tensor(idx), andon.tensor(targets))
    expected = torch.nn.functional.cross_entropy(
        torch.tensor(logits[:, 4:].detach().numpy()).reshape(-1, V),
        torch.tensor(targets[:, 4:]).reshape(-1),
    )
    assert abs(loss.item() - expected.item()) < 1e-5


def test_no_time_sees_a_later_one():
    model, idx = small(), tokens(1, 10)
    changed = idx.copy()
    changed[0, 6:] = (changed[0, 6:] + 1) % V
    before, after = (model(andon.tensor(x))[0].detach().numpy() for x in (idx, changed))
    np.testing.assert_allclose(before[:, :6], after[:, :6], rtol=1e-5, atol=1e-6)
    assert not np.allclose(before[:, 6:], after[:, 6:])


def test_dropout_is_off_in_evaluation():
    model, idx = small(dropout=0.5), andon.tensor(tokens(2, 6))
    assert np.array_equal(model(idx)[0].detach(), model(idx)[0].detach())
    model.train()
    assert not np.array_equal(model(idx)[0].detach(), model(idx)[0].detach())


@pytest.mark.parametrize("shape", [(7,), (1, 2, 3)])
def test_tokens_must_be_a_batch_of_sequences(shape):
    with pytest.raises(ShapeError, match="GPT: tokens of shape"):
        small()(andon.zeros(shape, dtype=andon.int64))


def test_more_tokens_than_the_block_size_are_an_error():
    model = small()
    with pytest.raises(ShapeError, match="17 tokens do not fit the block size: 16"):
        model(andon.tensor(tokens(1, 17)))
    cache: list = []
    model(andon.tensor(tokens(1, 16)), cache=cache)
    with pytest.raises(ShapeError, match="17 tokens"):
        model(andon.tensor(tokens(1, 1)), cache=cache)


def test_a_token_that_does_not_exist_is_an_error():
    for token in (V, -1):
        with pytest.raises(AndonError):
            small()(andon.tensor([[token]]))


@pytest.mark.parametrize(
    "sizes", [(0, 1, 1, 1, 1), (5, 4, 1, 0, 8), (5, 4, 1, 3, 8), (5, 4, -1, 1, 8)]
)
def test_sizes_that_make_no_model_are_errors(sizes):
    with pytest.raises(ShapeError, match="GPT"):
        GPTConfig(*sizes)


def test_an_unknown_preset_names_the_known_ones():
    with pytest.raises(ArgumentError, match=r"gpt2-xl, .*: gpt-3"):
        GPTConfig.preset("gpt-3", 5, 5)


# ---- generation


def without_cache(model: GPT, idx: Tensor, count: int) -> Tensor:
    for _ in range(count):
        logits, _ = model(idx[:, -BLOCK:])
        idx = andon.cat([idx, logits[:, -1].argmax(-1, keepdim=True)], dim=1)
    return idx


@pytest.mark.parametrize("length", [1, 5, BLOCK - 1, BLOCK, BLOCK + 3])
def test_greedy_with_the_cache_is_greedy_without_it(ours, length):
    """Beyond the block size as well, where the window slides."""
    idx = andon.tensor(tokens(2, length))
    made = ours.generate(idx, 2 * BLOCK)
    assert made.shape == (2, length + 2 * BLOCK)
    assert made.tolist() == without_cache(ours, idx, 2 * BLOCK).tolist()


@pytest.mark.parametrize("pieces", [(1, 1, 1, 5), (3, 4, 1), (7, 1), (2, 6)])
def test_pieces_through_the_cache_give_the_logits_of_the_whole(ours, pieces):
    idx = andon.tensor(tokens(2, sum(pieces)))
    cache: list = []
    parts = [ours(part, cache=cache)[0] for part in idx.split(list(pieces), dim=1)]
    whole, _ = ours(idx)
    np.testing.assert_allclose(
        andon.cat(parts, dim=1).detach(), whole.detach(), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("options", [{"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-4}])
def test_the_narrowest_sampling_is_greedy(ours, options):
    idx = andon.tensor(tokens(2, 4))
    greedy = ours.generate(idx, 20)
    assert ours.generate(idx, 20, do_sample=True, **options).tolist() == greedy.tolist()


def test_a_generator_makes_sampling_repeatable(ours):
    idx = andon.tensor(tokens(2, 4))

    def sample(seed: int) -> list:
        generator = andon.Generator().manual_seed(seed)
        return ours.generate(idx, 20, 1.5, do_sample=True, generator=generator).tolist()

    assert sample(1) == sample(1)
    assert sample(1) != sample(2)


def test_streaming_yields_what_generate_appends(ours):
    idx = andon.tensor(tokens(2, 4))
    streamed = andon.cat([idx, *ours.stream(idx, 20)], dim=1)
    assert streamed.tolist() == ours.generate(idx, 20).tolist()


def test_generation_records_no_gradients(ours):
    assert all(not token.requires_grad for token in ours.stream(andon.tensor([[1]]), 3))
    assert andon.is_grad_enabled()


def test_no_new_tokens_are_the_prompt(ours):
    idx = andon.tensor(tokens(2, 4))
    assert ours.generate(idx, 0).tolist() == idx.tolist()


def test_top_k_keeps_the_k_largest():
    logits = andon.tensor([[1.0, 4.0, 2.0, 3.0]])
    assert restrict(logits, 2, None).tolist() == [[-math.inf, 4.0, -math.inf, 3.0]]
    assert restrict(logits, 99, None).tolist() == logits.tolist()


def test_top_p_keeps_the_fewest_that_reach_p():
    probs = [0.1, 0.5, 0.15, 0.25]
    logits = andon.tensor([probs]).log()
    kept = {p: (restrict(logits, None, p)[0] > -math.inf).tolist() for p in (0.4, 0.6, 0.8, 1.0)}
    assert kept == {
        0.4: [False, True, False, False],
        0.6: [False, True, False, True],
        0.8: [False, True, True, True],
        1.0: [True, True, True, True],
    }


WRONG = {
    "temperature must be positive": [{"temperature": 0.0}, {"temperature": math.nan}],
    "top_k must be positive": [{"top_k": 0}, {"top_k": -1}],
    "top_p must lie in": [{"top_p": 0.0}, {"top_p": 1.1}, {"top_p": math.nan}],
}


@pytest.mark.parametrize(
    ("message", "options"), [(message, each) for message, all in WRONG.items() for each in all]
)
def test_wrong_sampling_options_are_errors(message, options):
    with pytest.raises(ShapeError, match=message):
        small().generate(andon.tensor([[1]]), 1, do_sample=True, **options)


@pytest.mark.parametrize("shape", [(1, 0), (3,)])
def test_a_prompt_must_have_tokens(shape):
    with pytest.raises(ShapeError, match="prompt of shape"):
        small().generate(andon.zeros(shape, dtype=andon.int64), 1)
