"""Official checkpoints become avatars of the published form; what cannot be meant is refused by name."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest
import torch

from livehand_core.avatars import (
    import_checkpoint,
    import_command,
    read_metadata,
)
from livehand_core.errors import AvatarError
from livehand_core.networks import FieldConfig, SuperResolutionConfig

GOLDEN = Path(__file__).resolve().parent.parent / "golden"


def test_import_command_writes_the_published_form(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    import_command.configure(parser)
    output = tmp_path / "official.safetensors"
    arguments = [str(GOLDEN / "uvd_sr4_seed2.tar"), str(output), "--factor", "4", "--name", "Subject 1"]
    assert import_command.run(parser.parse_args(arguments)) == 0
    metadata = read_metadata(output)
    assert (metadata.name, metadata.hand_model, metadata.conditioning) == ("Subject 1", "mano", "published")
    assert (metadata.pixel_offset, metadata.sign, metadata.lateral_margin) == (0.0, "face_normal", 0.0)
    assert metadata.architecture.field == FieldConfig(pose_size=48)
    assert metadata.architecture.super_resolution == SuperResolutionConfig(factor=4, out_channels=3)
    assert metadata.provenance["step"] == 300000


def test_factor_comes_from_the_configuration_beside(tmp_path: Path) -> None:
    checkpoint = tmp_path / "300000.tar"
    checkpoint.write_bytes((GOLDEN / "uvd_sr2_seed0.tar").read_bytes())
    with pytest.raises(AvatarError, match=r"by 2 or by 4.*--factor"):
        import_checkpoint(checkpoint)
    (tmp_path / "config.txt").write_text("expname = test\nsr_factor = 2\nN_samples = 24\n__import__('os') = 1\n")
    architecture = import_checkpoint(checkpoint).metadata.architecture
    assert (architecture.super_resolution.factor, architecture.n_samples) == (2, 24)


def test_remarks_in_the_configuration_are_no_values_and_args_win(tmp_path: Path) -> None:
    checkpoint = tmp_path / "300000.tar"
    checkpoint.write_bytes((GOLDEN / "uvd_sr2_seed0.tar").read_bytes())
    (tmp_path / "config.txt").write_text(
        "sr_factor = 2   # of images\npoints_encoding = 'xyz' # or uvd\nN_samples = 9 # few\n"
    )
    architecture = import_checkpoint(checkpoint).metadata.architecture
    assert (architecture.super_resolution.factor, architecture.field.coordinates, architecture.n_samples) == (
        2,
        "xyz",
        9,
    )
    (tmp_path / "args.txt").write_text("sr_factor = 2\npoints_encoding = uvd\nN_samples = 16\n")
    architecture = import_checkpoint(checkpoint).metadata.architecture
    assert (architecture.field.coordinates, architecture.n_samples) == ("uvd", 16)


def test_other_networks_are_not_imported_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    torch.save(official(deform_net_state_dict={"layer.weight": torch.zeros(2, 2)}), path)
    with pytest.raises(AvatarError, match="deformation network"):
        import_checkpoint(path, factor=2)
    network = dict(official()["network_fn_state_dict"])  # type: ignore[call-overload]
    network["pts_linears.0.weight"] = torch.randn(128, 114)
    torch.save(official(network_fn_state_dict=network), path)
    with pytest.raises(AvatarError, match="leaves 3 inputs"):
        import_checkpoint(path, factor=2)


def official(**changes: object) -> dict[str, object]:
    content = torch.load(GOLDEN / "uvd_sr2_seed0.tar", weights_only=True)
    return {**content, **changes}


def test_latents_and_hierarchical_fields(tmp_path: Path) -> None:
    network = dict(official()["network_fn_state_dict"])  # type: ignore[call-overload]
    network["pts_linears.0.weight"] = torch.randn(128, 119)
    checkpoint = tmp_path / "000100.tar"
    torch.save(official(network_fn_state_dict=network, network_fine_state_dict=network), checkpoint)
    codes = torch.randn(5, 8) * 2.0
    (tmp_path / "lat_codes").mkdir()
    torch.save({"epoch": 1, "latent_codes": {"weight": codes}}, tmp_path / "lat_codes" / "000100.npy")
    avatar = import_checkpoint(checkpoint, factor=2)
    assert avatar.metadata.architecture.field.latent_size == 8
    assert avatar.metadata.architecture.n_importance > 0
    assert avatar.fine_state is not None
    assert avatar.latent is not None
    lengths = avatar.latent.norm(dim=1)
    assert bool((lengths <= 1.0 + 1e-6).all())
    torch.testing.assert_close(avatar.latent / lengths[:, None], codes / codes.norm(dim=1, keepdim=True))
    torch.save({"epoch": 1}, tmp_path / "wrong.npy")
    with pytest.raises(AvatarError, match="no latent codes of 8"):
        import_checkpoint(checkpoint, tmp_path / "wrong.npy", factor=2)


class _Code:
    def __reduce__(self) -> tuple[object, tuple[str]]:

        return os.system, ("touch executed_by_import",)


def test_bad_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.tar"
    with pytest.raises(AvatarError, match="does not exist"):
        import_checkpoint(path)
    good = (GOLDEN / "uvd_sr2_seed0.tar").read_bytes()
    for content in (b"", b"hello", good[: len(good) // 2], good[:1000]):
        path.write_bytes(content)
        with pytest.raises(AvatarError, match=r"damaged|refused"):
            import_checkpoint(path, factor=2)
    torch.save(official(extra=_Code()), path)
    with pytest.raises(AvatarError, match=r"refused.*Nothing in it was executed"):
        import_checkpoint(path, factor=2)
    assert not (tmp_path / "executed_by_import").exists()
    torch.save([1, 2], path)
    with pytest.raises(AvatarError, match="not an official"):
        import_checkpoint(path, factor=2)
    torch.save({"model": {}}, path)
    with pytest.raises(AvatarError, match="no field"):
        import_checkpoint(path, factor=2)
    torch.save(official(network_fn_state_dict={"a.weight": torch.zeros(2)}), path)
    with pytest.raises(AvatarError, match="known form"):
        import_checkpoint(path, factor=2)
