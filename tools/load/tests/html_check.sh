#!/usr/bin/env bash
# Opens report pages in headless Chromium and checks that their charts are drawn; with SHOTS=DIR it also takes
# screenshots, light and dark. Needs the Debian package `chromium`.
# usage: tests/html_check.sh CHARTS PAGE...     CHARTS: how many charts each page must show
set -euo pipefail
want=$1; shift
browser=${CHROMIUM:-chromium}
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT
flags=(--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking
  --disable-component-update --disable-sync --hide-scrollbars --window-size=1200,1700 --virtual-time-budget=3000)
status=0
for page in "$@"; do
  url=file://$(realpath "$page")
  dom=$(timeout 60 "$browser" "${flags[@]}" --user-data-dir="$profile/dom" --dump-dom "$url" 2>/dev/null)
  charts=$(grep -o 'data-charts="[0-9]*"' <<<"$dom" | grep -o '[0-9]*' || echo none)
  paths=$(grep -o '<path class="series" d="M[0-9]' <<<"$dom" | wc -l)
  broken=$(grep -c 'data-broken\|NaN\|undefined' <<<"$(sed '/<script>/,/<\/script>/d' <<<"$dom")" || true)
  if [ "$charts" = "$want" ] && [ "$paths" -ge "$want" ] && [ "$broken" = 0 ]; then
    echo "ok: $page: $charts charts, $paths lines"
  else
    echo "NOT ok: $page: charts $charts (want $want), lines $paths, broken $broken"
    status=1
  fi
  if [ -n "${SHOTS:-}" ]; then
    name=$SHOTS/$(basename "$page" .html)
    timeout 60 "$browser" "${flags[@]}" --user-data-dir="$profile/light" --screenshot="$name-light.png" "$url" >/dev/null 2>&1
    timeout 60 "$browser" "${flags[@]}" --user-data-dir="$profile/dark" --blink-settings=preferredColorScheme=0 \
      --screenshot="$name-dark.png" "$url" >/dev/null 2>&1
  fi
done
exit $status
