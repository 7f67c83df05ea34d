#!/usr/bin/env bash
# Installs the library for C: tools/install_c.sh [PREFIX, or else /usr/local]
#
#     PREFIX/include/pentad.h
#     PREFIX/lib/libpentad.so (on macOS .dylib), libpentad.a
#     PREFIX/lib/pkgconfig/pentad.pc       cc program.c $(pkg-config --cflags --libs pentad)
#
# It builds without the daemon. CARGO_TARGET_DIR says where; CARGO_PROFILE_RELEASE_* how.
set -euo pipefail
prefix=${1:-/usr/local}
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target/capi}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# While the version begins with 0, every minor one may change what programs were compiled for.
abi=${version%.*}

case $(uname) in
Darwin)
    library=libpentad.$abi.dylib link=libpentad.dylib
    name=-Wl,-install_name,$prefix/lib/$library
    ;;
*)
    library=libpentad.so.$abi link=libpentad.so
    name=-Wl,-soname,$library
    ;;
esac
cargo rustc --locked --release --lib --no-default-features --features capi,tls --crate-type cdylib,staticlib \
    --target-dir "$target" -- --cfg libpentad -C link-arg="$name"

install -d "$prefix/include" "$prefix/lib/pkgconfig"
install -m 644 include/pentad.h "$prefix/include/"
install -m 755 "$target/release/$link" "$prefix/lib/$library"
ln -sf "$library" "$prefix/lib/$link"
install -m 644 "$target/release/libpentad.a" "$prefix/lib/"
cat >"$prefix/lib/pkgconfig/pentad.pc" <<END
prefix=$(cd "$prefix" && pwd)
Name: pentad
Description: A server to link: one keyspace, five protocols, RESP (Redis) among them
Version: $version
Cflags: -I\${prefix}/include
Libs: -L\${prefix}/lib -lpentad
Libs.private: -pthread -ldl -lm
END
