"""Keys are made once: RSA-3072 takes its time."""

from pathlib import Path

import pytest

from firmware.build import PrivateKey, generate_key, load_key


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "release.pem"
    generate_key(path)
    return path


@pytest.fixture(scope="session")
def key(key_file: Path) -> PrivateKey:
    return load_key(key_file)


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> PrivateKey:
    return generate_key(tmp_path_factory.mktemp("stranger") / "stranger.pem")
