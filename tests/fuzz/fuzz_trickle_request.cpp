// What strangers say to the trickle door: the body that opens it, with the query beside it, the
// names of channels, and messages of a control channel. Nothing may crash, and what was accepted
// must hold what it promises.
#include "http/target.hpp"
#include "live/door_channels.hpp"
#include "live/routes.hpp"
#include "live/stream_params.hpp"
#include "live/trickle_request.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace rivulet;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

void request(std::string_view query, std::string_view body) {
    const auto read = live::read_trickle_request(body, http::parse_query(query));
    if (!read)
        return;
    const auto params = live::parse_stream_params("cam", *read);
    if (params)
        require(!params->pipeline.empty());
}

void name(std::string_view text) {
    if (!live::is_door_channel_name(text))
        return;
    // It can be cut into a stream, the secret and the direction.
    const auto direction = text.rfind('-');
    require(direction != std::string_view::npos && direction > 33);
    require(text[direction - 33] == '-');
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto line = std::min(text.find('\n'), text.size());
    const auto rest = line < text.size() ? text.substr(line + 1) : std::string_view();
    request(text.substr(0, line), rest);
    request({}, text);
    name(text.substr(0, line));
    (void)live::parse_update(rest);
    return 0;
}
