// What strangers and operators' services say about access: the form and query of MediaMTX's hook,
// files of stream keys, answers of the auth webhook and of the heartbeat service, header lists. The
// first byte chooses which; nothing may crash, and what was accepted must hold what it promises.
#include "live/form_fields.hpp"
#include "live/heartbeat.hpp"
#include "live/http_access.hpp"
#include "live/mediamtx_start.hpp"
#include "live/stream_keys.hpp"
#include "live/stream_params.hpp"
#include "live/webhook_wire.hpp"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace rivulet;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

void hook(const outcome<live::field_list>& form) {
    if (!form)
        return;
    require(form->size() <= live::most_form_fields);
    const auto start = live::parse_mediamtx_start(*form);
    if (!start)
        return;
    require(!start->source_id.empty() && start->source_id.find('/') == std::string::npos);
    require(!start->api_kind.empty() && !start->protocol.empty());
    (void)live::parse_stream_params("cam", start->query);
}

void keys(std::string_view text) {
    const auto parsed = live::stream_keys::parse(text);
    if (!parsed)
        return;
    (void)parsed->allow(live::key_use::watch, "cam", "some key of sixteen");
    if (text.find("anyone") == std::string_view::npos)
        require(!parsed->allow(live::key_use::publish, "cam", ""));
}

void webhook(std::string_view text) {
    const auto answer = live::parse_webhook_answer(text);
    if (!answer)
        return;
    live::query_list query{{"pipeline", "comfyui"}, {"params", "{}"}};
    live::override_query(*answer, query);
    require(!query.empty());
    (void)live::to_query_text(query);
    (void)live::parse_stream_params("cam", query);
}

void headers(std::string_view text) {
    const auto parsed = live::parse_headers(text);
    if (!parsed)
        return;
    for (const auto& [name, value] : *parsed)
        require(!name.empty() && value.find_first_of("\r\n") == std::string::npos);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0)
        return 0;
    const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
    switch (data[0] % 7) {
    case 0:
        hook(live::parse_form("multipart/form-data; boundary=b", text));
        break;
    case 1:
        hook(live::parse_form("application/x-www-form-urlencoded", text));
        break;
    case 2:
        hook(live::parse_form(text.substr(0, text.find('\n')), text));
        break;
    case 3:
        keys(text);
        break;
    case 4:
        webhook(text);
        break;
    case 5:
        if (const auto ids = live::parse_heartbeat_answer(text))
            for (const auto& id : *ids)
                require(!id.empty());
        break;
    case 6:
        headers(text);
        (void)live::key_of(text, live::parse_hook_query(text));
        break;
    }
    return 0;
}
