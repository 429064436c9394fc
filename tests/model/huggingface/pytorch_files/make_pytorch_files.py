"""Writes small files with torch.save, for the tests of what reads pytorch_model.bin.
Usage: make_pytorch_files.py FOLDER      needs torch (2.15 made these)"""
import collections, os, sys
import torch

tensors = collections.OrderedDict()
tensors["matrix"] = torch.arange(6, dtype=torch.float32).reshape(2, 3)
tensors["half"] = torch.tensor([1.5, -2.0], dtype=torch.float16)
tensors["bfloat16"] = torch.tensor([1.5, -2.0, 256.0], dtype=torch.bfloat16)
tensors["double"] = torch.tensor([0.25, -2.0], dtype=torch.float64)
tensors["truth"] = torch.tensor([True, False])
tensors["transposed"] = torch.arange(6, dtype=torch.float32).reshape(2, 3).t()
tensors["slice"] = torch.arange(10, dtype=torch.float32)[3:7]
tensors["column"] = torch.arange(12, dtype=torch.float32).reshape(4, 3)[:, 1]
tensors["position_ids"] = torch.arange(5).expand((1, -1))
tensors["scalar"] = torch.tensor(2.5)
tensors["empty"] = torch.zeros(0, 3)
tensors["tied"] = tensors["matrix"]
tensors["parameter"] = torch.nn.Parameter(torch.ones(2))
module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))


class Hostile:
    def __reduce__(self):
        return (os.system, ("true",))


def save(name, value, **options):
    torch.save(value, os.path.join(sys.argv[1], name + ".bin"), **options)


save("tensors", tensors)
save("tensors_before_1_6", tensors, _use_new_zipfile_serialization=False)
save("tensors_protocol_4", tensors, pickle_protocol=4)
save("module", module.state_dict() | {"version": 3, "name": "a module", "rate": 0.5, "nothing": None})
save("whole_module", module)
save("nested", {"state_dict": tensors, "epoch": 3})
save("hostile", {"matrix": torch.ones(1), "other": Hostile()})
save("repeated", {"matrix": torch.ones(2).expand(5, 2)})
