"""Prompts that forbid or quote an attack pass on the running gateway, as the operator's own and as a user's, and attacks in their
clothes do not. The texts are those of the engine's test."""

import httpx

from conftest import ROOT

TEXTS = ROOT / "src" / "policy" / "tests" / "mentions"


def texts(name):
    return [line.replace("\\n", "\n") for line in (TEXTS / name).read_text().splitlines()]


def stopped(pair, requests):
    """Those that do not get an answer; the provider saw exactly the others."""
    before = len(pair.provider.requests())
    with httpx.Client(timeout=30) as client:
        answers = [client.post(pair.gateway.chat_url, json={"model": "any", "messages": request}) for request in requests]
    assert {answer.status_code for answer in answers} <= {200, 409}
    seen = [request for answer, request in zip(answers, requests, strict=True) if answer.status_code == 409]
    assert len(pair.provider.requests()) - before == len(requests) - len(seen)
    return seen


def test_what_operators_write_passes(pair):
    prompts = texts("operators.txt")
    requests = [[{"role": "system", "content": prompt}, {"role": "user", "content": "Hello, can you help me?"}] for prompt in prompts]
    assert len(prompts) >= 100
    assert len(stopped(pair, requests)) * 50 <= len(prompts)


def test_attacks_behind_what_operators_write_are_stopped(pair):
    attacks = texts("operators_attacks.txt")
    requests = [
        [{"role": "system", "content": prompt}, {"role": "user", "content": attacks[at % len(attacks)]}]
        for at, prompt in enumerate(texts("operators.txt"))
    ]
    assert stopped(pair, requests) == requests


def test_texts_that_speak_of_attacks_pass_and_attacks_in_their_clothes_do_not(pair):
    of = lambda name: [[{"role": "user", "content": text}] for text in texts(name)]  # noqa: E731
    harmless, attacks = of("harmless.txt"), of("attacks.txt")
    assert len(stopped(pair, harmless)) * 50 <= len(harmless)
    assert stopped(pair, attacks) == attacks


def test_a_figure_of_speech_is_no_threat(pair):
    assert stopped(pair, [[{"role": "user", "content": "I want to bomb-proof my presentation."}]]) == []
