# What the scripts need of a fresh machine; sourced, never run. The directory is the checkout's root.

# need_packages NAME…: Debian packages, installed only where one is missing.
need_packages() {
    missing=
    for package; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    [ "$(id -u)" = 0 ] || { echo "not root, so these packages cannot be installed:$missing" >&2; return 1; }
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of names
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null
}

# need_cargo: a cargo no older than Cargo.toml's rust-version, from the PATH, from ~/.cargo, or from Debian's rustup.
need_cargo() {
    PATH="$PATH:$HOME/.cargo/bin"
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    if command -v cargo >/dev/null; then
        found=$(cargo --version | cut -d' ' -f2)
        [ "$(printf '%s\n%s\n' "$wanted" "$found" | sort -V | head -n 1)" = "$wanted" ] && return 0
        echo "cargo $found is older than $wanted" >&2
    fi
    need_packages rustup
    rustup default stable
}
