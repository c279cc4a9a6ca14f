// Replies of a hostile server: whatever the bytes and however they are cut, the parser neither
// crashes nor keeps more than it was given.
#include "http/client_parser.hpp"
#include "http/client_url.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace rivulet;
    if (size < 2)
        return 0;
    const std::size_t step = data[0] + 1u;
    http::reply_parser parser;
    parser.expect_reply((data[1] & 1) != 0);
    std::size_t delivered = 0;
    bool failed = false;
    for (std::size_t at = 2; at < size && !failed && !parser.done();) {
        const auto room = parser.room();
        const auto n = std::min({step, room.size(), size - at});
        std::memcpy(room.data(), data + at, n);
        at += n;
        failed = static_cast<bool>(parser.commit(n));
        for (const auto& piece : parser.take_body())
            delivered += piece.size();
        (void)parser.begun();
        (void)parser.keep_alive();
    }
    if (!failed && !parser.done())
        (void)parser.commit_eof();
    (void)parser.head()["Lp-Trickle-Seq"];
    if (delivered > size)
        std::abort();
    (void)http::parse_http_url({reinterpret_cast<const char*>(data), size});
    return 0;
}
