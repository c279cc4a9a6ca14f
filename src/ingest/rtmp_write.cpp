#include "ingest/rtmp_write.hpp"

#include <algorithm>

namespace rivulet::ingest {

awaitable<error_code>
write_in_pieces(http::stream& to, const rtmp_gather& what, duration stall_limit) {
    const auto& parts = what.parts();
    std::vector<asio::const_buffer> piece;
    std::size_t part = 0, offset = 0;
    error_code failed;
    while (part < parts.size() && !failed) {
        piece.clear();
        std::size_t room = rtmp_write_piece;
        while (part < parts.size() && room > 0) {
            const auto rest = parts[part].subspan(offset);
            const auto n = std::min(rest.size(), room);
            if (n > 0)
                piece.emplace_back(rest.data(), n);
            room -= n;
            offset += n;
            if (n == rest.size()) {
                ++part;
                offset = 0;
            }
        }
        to.expires_after(stall_limit);
        failed = co_await to.write(piece);
    }
    to.expires_after(duration::max());
    co_return failed;
}

} // namespace rivulet::ingest
