// The WebSocket handshake as it comes from a stranger, and the origin of the page behind it.
#include "http/websocket_upgrade.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace rivulet::http;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto cut = text.find('\n'); cut != std::string_view::npos)
        same_origin(text.substr(0, cut), text.substr(cut + 1));
    beast_http::request_parser<beast_http::empty_body> parser;
    boost::system::error_code failed;
    parser.put(boost::asio::buffer(data, size), failed);
    if (!parser.is_header_done())
        return 0;
    const auto& header = parser.get().base();
    if (!wants_websocket(header))
        return 0;
    const auto offer = check_upgrade(header);
    if (!offer)
        return 0;
    // What the library reads has the lines that we give it and no more.
    const auto request = upgrade_request(*offer);
    std::size_t lines = 0;
    for (const unsigned char c : request) {
        lines += c == '\n';
        if (c >= 0x7f || (c < 0x20 && c != '\r' && c != '\n'))
            std::abort();
    }
    if (lines != 7 + (offer->deflate.empty() ? 0u : 1u) || request.size() > 1024)
        std::abort();
    return 0;
}
