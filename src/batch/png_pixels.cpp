#include "batch/png_pixels.hpp"

#include <boost/beast/zlib/inflate_stream.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

namespace rivulet::batch {
namespace {

namespace zlib = boost::beast::zlib;

using octets = std::span<const std::uint8_t>;

constexpr std::size_t signature = 8, chunk_head = 8, chunk_sum = 4, header_size = 13;
constexpr std::size_t zlib_head = 2;                // before the deflated bytes themselves
constexpr std::uint64_t slack = 65536;              // passes that are empty
constexpr std::uint64_t most_unpacked = 288u << 20; // larger ones are nobody's to decode

std::uint64_t number(octets at) {
    return std::uint64_t{at[0]} << 24 | std::uint64_t{at[1]} << 16 | std::uint64_t{at[2]} << 8 |
           at[3];
}

// Bytes of all rows, unpacked.
std::uint64_t promised(octets header) {
    constexpr std::uint64_t most_side = 1u << 20; // so that nothing overflows
    const auto width = std::min(number(header), most_side);
    const auto height = std::min(number(header.subspan(4)), most_side);
    const std::uint64_t depth = header[8];
    const std::uint64_t samples = header[9] == 2 ? 3 : header[9] == 4 ? 2 : header[9] == 6 ? 4 : 1;
    const auto row = (width * depth * samples + 7) / 8 + 1;
    const bool interlaced = header[12] != 0;
    return std::min(height * row * (interlaced ? 2 : 1) + slack, most_unpacked);
}

// The pixel data of all chunks as one stream.
class pixel_stream {
  public:
    explicit pixel_stream(std::uint64_t most) : most_(most) {}

    // False when there is more than that.
    bool take(octets piece) {
        const auto skipped = std::min(skip_, piece.size());
        skip_ -= skipped;
        piece = piece.subspan(skipped);
        zlib::z_params step;
        step.next_in = piece.data();
        step.avail_in = piece.size();
        while (!over_) {
            step.next_out = unpacked_.data();
            step.avail_out = unpacked_.size();
            boost::system::error_code ec;
            inflate_.write(step, zlib::Flush::sync, ec);
            const auto made = unpacked_.size() - step.avail_out;
            total_ += made;
            if (total_ > most_)
                return false;
            // The end, damage, or nothing more to be had from this piece.
            over_ = ec && ec != zlib::error::need_buffers;
            if (made < unpacked_.size())
                break;
        }
        return true;
    }

  private:
    const std::uint64_t most_;
    std::uint64_t total_ = 0;
    std::size_t skip_ = zlib_head;
    bool over_ = false;
    zlib::inflate_stream inflate_;
    std::array<std::uint8_t, 32 * 1024> unpacked_;
};

} // namespace

bool pixels_fit(octets png) {
    if (png.size() < signature + chunk_head + header_size)
        return true;
    pixel_stream pixels(promised(png.subspan(signature + chunk_head, header_size)));
    for (auto rest = png.subspan(signature); rest.size() >= chunk_head;) {
        const auto length = static_cast<std::size_t>(number(rest));
        const bool holds_pixels = std::memcmp(rest.data() + 4, "IDAT", 4) == 0;
        rest = rest.subspan(chunk_head);
        const auto data = rest.first(std::min(length, rest.size()));
        if (holds_pixels && !pixels.take(data))
            return false;
        rest = rest.subspan(std::min(length + chunk_sum, rest.size()));
    }
    return true;
}

} // namespace rivulet::batch
