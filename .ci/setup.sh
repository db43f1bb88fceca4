# Sets up what is missing on a Debian machine, and says what it does. Sourced by ./run and ./test.
# What is there already is left alone; a second run changes nothing.

say() {
    printf '\033[1m==>\033[0m %s\n' "$*"
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# Installs Debian packages; the list of packages is brought up to date once a run.
apt_install() {
    if ! command -v apt-get > /dev/null; then
        echo "This machine lacks: $*. Install it with your package manager and start again." >&2
        exit 1
    fi
    if [ -z "${APT_IS_FRESH:-}" ]; then
        say "Bringing the list of packages up to date"
        as_root apt-get update -qq
        APT_IS_FRESH=1
    fi
    say "Installing $*"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" > /dev/null
}

# A C compiler, for the bundled SQLite and the cryptography.
need_compiler() {
    command -v cc > /dev/null || apt_install gcc libc6-dev
}

# The Rust of rust-toolchain.toml, by rustup.
need_rust() {
    if ! command -v cargo > /dev/null && [ -f "${CARGO_HOME:-$HOME/.cargo}/env" ]; then
        . "${CARGO_HOME:-$HOME/.cargo}/env"
    fi
    if ! command -v cargo > /dev/null; then
        command -v curl > /dev/null || apt_install curl ca-certificates
        say "Installing Rust with rustup, for this user only"
        curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs \
            | sh -s -- -y --no-modify-path --profile minimal --default-toolchain none
        . "${CARGO_HOME:-$HOME/.cargo}/env"
    fi
    if command -v rustup > /dev/null && ! cargo --version > /dev/null 2>&1; then
        local channel
        channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
        say "Installing Rust $channel"
        rustup toolchain install "$channel" --profile minimal --component clippy,rustfmt
    fi
}

need_git() {
    command -v git > /dev/null || apt_install git
}

# The official OpenAI client for Python, in a folder of its own under target/.
need_python_sdk() {
    python3 -c 'import venv, ensurepip' 2> /dev/null || apt_install python3 python3-venv
    local requirements=tests/sdk/python/requirements.txt
    if ! cmp -s "$requirements" target/python/requirements.txt; then
        say "Installing the clients for Python in target/python"
        mkdir -p target
        rm -rf target/python
        python3 -m venv target/python
        target/python/bin/pip install --quiet --disable-pip-version-check -r "$requirements"
        cp "$requirements" target/python/requirements.txt
    fi
}

# The official clients for JavaScript, beside their tests.
need_node_sdk() {
    command -v node > /dev/null && command -v npm > /dev/null || apt_install nodejs npm
    local folder=tests/sdk/node
    if ! cmp -s "$folder/package-lock.json" "$folder/node_modules/.installed-lock.json"; then
        say "Installing the clients for JavaScript in $folder/node_modules"
        (cd "$folder" && npm ci --silent)
        cp "$folder/package-lock.json" "$folder/node_modules/.installed-lock.json"
    fi
}

# What the bench compares with.
need_nginx() {
    PATH="$PATH:/usr/sbin"
    command -v nginx > /dev/null || apt_install nginx-light
}
