"""A study on disk: it comes back as it was, or it is refused with the reason."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
import xarray as xr

from idfit.errors import IdfitWarning, InputError, StorageError
from idfit.results import Status, dataset
from idfit.study.store import MANIFEST_FILE, open_study, save_study


def small_study(schema_version="1.0"):
    fit = dataset(
        "fit",
        {
            "theta0": np.zeros((3, 2)),
            "theta": np.array([[0.1, np.nan], [1 / 3, -0.0], [np.inf, 1e-300]]),
            "objective": [1.0, 2.0, np.nan],
            "nllh": [1.0, 2.0, np.nan],
            "status": [Status.CONVERGED, Status.STALLED, Status.STEP_BUDGET],
            "cluster": [0, 0, -1],
            "optimum": np.ones((1, 2)),
            "optimum_nllh": [1.0],
            "hits": [2],
            "hit_rate": [2 / 3],
            "estimate": [1.0, 2.0],
        },
        {"parameter": ["k_µ", "=cmd|' /C calc'!A0"], "scale": ["log10", "lin"]},
        {"optimizer": "fisher"},
    )
    root = xr.Dataset(
        attrs={"schema_version": schema_version, "model_toml": "idfit = 1\n" * 9000, "seed": 2**62}
    )
    return xr.DataTree.from_dict({"/": root, "fit": fit})


@pytest.fixture
def stored(tmp_path):
    save_study(small_study(), tmp_path / "study.nc")
    return tmp_path / "study.nc"


def test_a_study_comes_back_as_it_was(stored):
    study, back = small_study(), open_study(stored)
    xr.testing.assert_identical(back, study)
    for name, variable in study["fit"].variables.items():
        assert back["fit"].variables[name].values.tobytes() == variable.values.tobytes()
    assert all(variable.dtype != object for variable in back["fit"].variables.values())
    assert open_study(stored.parent).identical(back)


def test_a_variable_with_the_name_of_its_group_is_read_too(tmp_path):
    values = {"interval": np.zeros((1, 1, 2)), "agreement": [2], "cause": ["a valley"]}
    opinions = dataset("agreement", values, {"parameter": ["k"], "scale": ["lin"], "source": ["wald"]})
    save_study(small_study().assign({"agreement": xr.DataTree(opinions)}), tmp_path / "study.nc")
    back = open_study(tmp_path / "study.nc")
    assert back["agreement"].to_dataset()["agreement"].values.tolist() == [2]


def test_equal_studies_are_equal_files(stored, tmp_path):
    save_study(small_study(), tmp_path / "again.nc")
    assert (tmp_path / "again.nc").read_bytes() == stored.read_bytes()


def test_numeric_arrays_carry_checksums(stored):
    with h5py.File(stored) as file:
        assert file["fit/theta"].fletcher32
        assert file["fit/status"].fletcher32


def test_the_file_is_closed_and_can_be_replaced(stored):
    study = open_study(stored)
    stored.unlink()
    assert study["fit"]["theta"].shape == (3, 2)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_r13_a_truncated_file_names_both_sizes(stored, share):
    whole = stored.read_bytes()
    stored.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(
        StorageError, match=r"study.nc: damaged .* has .* bytes, expected are " + f"{len(whole):,}"
    ):
        open_study(stored)


@pytest.mark.parametrize("share", [0.3, 0.6, 1.0])
def test_r13_without_a_manifest_a_truncated_file_is_refused_or_whole(stored, share):
    (stored.parent / MANIFEST_FILE).unlink()
    whole = stored.read_bytes()
    stored.write_bytes(whole[: int(len(whole) * share)])
    if share < 1:
        with pytest.raises(StorageError, match="damaged"):
            open_study(stored)
    else:
        assert open_study(stored).identical(small_study())


def test_r14_every_flipped_bit_is_detected(stored):
    whole = stored.read_bytes()
    for place in np.random.default_rng(1).integers(0, 8 * len(whole), 300):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << (place % 8)
        stored.write_bytes(damaged)
        with pytest.raises(StorageError, match="SHA-256"):
            open_study(stored)


def test_r12_between_file_and_manifest_both_versions_are_valid(stored, monkeypatch):
    before = stored.read_bytes()
    seen = []

    def spy(path, data):
        real(path, data)
        seen.append(open_study(stored))

    from idfit.study import store

    real = store.write_whole
    monkeypatch.setattr(store, "write_whole", spy)
    changed = small_study()
    changed["fit"]["hits"].values[:] = 7
    save_study(changed, stored)
    assert [int(study["fit"]["hits"][0]) for study in seen] == [2, 7, 7]
    assert stored.read_bytes() != before
    assert len(json.loads((stored.parent / MANIFEST_FILE).read_text())["files"]["study.nc"]) == 1


def test_r17_a_newer_major_version_is_refused_with_both_named(tmp_path):
    save_study(small_study("2.0"), tmp_path / "study.nc")
    with pytest.raises(InputError, match=r"R17: schema_version 2.0 - this idfit reads schema 1.3"):
        open_study(tmp_path / "study.nc")


def test_a_newer_minor_version_loads_with_a_warning(tmp_path):
    save_study(small_study("1.9"), tmp_path / "study.nc")
    with pytest.warns(IdfitWarning, match=r"1.9 is newer"):
        assert open_study(tmp_path / "study.nc")["fit"].sizes["start"] == 3


@pytest.mark.parametrize("version", [None, "new"])
def test_other_netcdf_files_are_not_studies(tmp_path, version):
    study = small_study(version or "1.0")
    if version is None:
        del study.attrs["schema_version"]
    save_study(study, tmp_path / "study.nc")
    with pytest.raises(InputError, match="not a study of idfit"):
        open_study(tmp_path / "study.nc")


def foreign(path, make):
    with h5py.File(path, "w") as file:
        file.attrs["schema_version"] = "1.0"
        make(file)
    with pytest.raises(InputError) as caught:
        open_study(path)
    return str(caught.value)


def test_s08_s14_foreign_contents_are_refused(tmp_path):
    path = tmp_path / "x.nc"
    (tmp_path / "secret.h5").write_bytes(b"")
    vlen = h5py.vlen_dtype(np.int32)
    assert "S08: /g/o" in foreign(path, lambda file: file.create_dataset("g/o", (2,), dtype=vlen))
    assert "S08" in foreign(path, lambda file: file.create_dataset("r", (1,), dtype=h5py.ref_dtype))
    assert "S08" in foreign(path, lambda file: file.create_dataset("v", data=np.void(b"\x80\x04pickle")))
    assert "ExternalLink" in foreign(
        path, lambda file: file.__setitem__("e", h5py.ExternalLink("secret.h5", "/a"))
    )
    assert "SoftLink" in foreign(path, lambda file: file.__setitem__("s", h5py.SoftLink("/s")))
    raw = [(str(tmp_path / "secret.h5"), 0, 8)]
    assert "S14" in foreign(path, lambda file: file.create_dataset("x", (1,), dtype="f8", external=raw))
    assert "limit" in foreign(
        path, lambda file: file.create_dataset("huge", (2**40,), dtype="f8", chunks=(1024,))
    )


def test_what_is_no_netcdf_is_refused(tmp_path):
    path = tmp_path / "study.nc"
    path.write_text("<html>not found</html>")
    with pytest.raises(StorageError, match="damaged"):
        open_study(path)
    with pytest.raises(InputError, match="no such study"):
        open_study(tmp_path / "studdy.nc")


def test_r08_a_write_that_fails_leaves_the_old_study(stored, monkeypatch):
    import os

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match=r"No space left on device, [\d,]+ bytes are needed"):
        save_study(small_study(), stored)
    monkeypatch.undo()
    assert open_study(stored).identical(small_study())
    assert sorted(path.name for path in stored.parent.iterdir()) == [MANIFEST_FILE, "study.nc"]
