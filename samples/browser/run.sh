#!/usr/bin/env bash
# A gateway, and a server for index.html.
. "$(dirname "$0")/../stage.sh"
need python3 "on Debian: apt install python3"
need curl "on Debian: apt install curl"

gateway -cors
page_port=$(port 8000)
start "the page's server" "$python" -m http.server --bind 127.0.0.1 --directory "$here" "$page_port"
page=http://127.0.0.1:$page_port/
has_page() { shows RTCPeerConnection curl -sf "$page"; }
await 15 "the page" has_page
may_ask() {
    shows '^access-control-allow-origin: ' curl -sf -i -X OPTIONS -H "Origin: ${page%/}" -H 'Access-Control-Request-Method: POST' \
        -H 'Access-Control-Request-Headers: content-type' "$api/cam/whip"
}
check "the page may ask the gateway" may_ask
[[ $http == 127.0.0.1:8935 ]] || page+="?gateway=http://$http"
say "Open     $page"
stay
