"""Writes adapter_reference.json: what PEFT computes in bf16 of the adapter fixtures, and how far that lies from its f32.

    python make_adapter_reference.py > adapter_reference.json      # needs torch, transformers, peft, safetensors

For each fixture: the loss in bf16, the losses of five optimizer steps, and the distance of all gradients in bf16, as one
vector, from those in f32, as a share of the latter's norm. What bf16 is, make_fixtures.py says (run).
"""

import json
import sys
from pathlib import Path

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
sys.path.insert(0, str(FIXTURES))

import peft  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from adapter_list import ADAPTERS  # noqa: E402
from make_fixtures import five_steps, gradients_of  # noqa: E402
from safetensors.torch import load_file  # noqa: E402


def load(fixture):
    folder = FIXTURES / fixture.name
    model = fixture.kind.from_pretrained(folder)
    model = peft.PeftModel.from_pretrained(model, folder / "adapter", is_trainable=True)
    model.eval()  # dropout off
    return model


def as_vector(gradients):
    return torch.cat([gradients[name].double().flatten() for name in sorted(gradients)])


def reference(fixture):
    inputs = load_file(FIXTURES / fixture.name / "inputs.safetensors")
    out, in_bf16 = gradients_of(load(fixture), inputs, bf16=True)
    exact, in_f32 = gradients_of(load(fixture), inputs)
    losses = [round(loss, 6) for loss in five_steps(load(fixture), inputs, bf16=True)[0]]
    apart = (as_vector(in_bf16) - as_vector(in_f32)).norm() / as_vector(in_f32).norm()
    return {
        "loss": out.loss.item(),
        "loss_in_f32": exact.loss.item(),
        "losses": losses,
        "gradient_distance": round(apart.item(), 6),
    }


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    made_with = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__}
    json.dump({"made_with": made_with} | {f.name: reference(f) for f in ADAPTERS}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
