#include "ingest/rtmp_chunk.hpp"

#include <algorithm>

namespace rivulet::ingest {
namespace {

constexpr std::uint32_t extended_marker = 0xffffff;
constexpr std::size_t first_reserve = 4u << 10; // before the peer has sent more than a claim
constexpr std::array<std::size_t, 4> message_header_size{11, 7, 3, 0};

std::uint32_t big_endian(const std::uint8_t* at, int octets) {
    std::uint32_t value = 0;
    for (int i = 0; i < octets; ++i)
        value = value << 8 | at[i];
    return value;
}

void put_big_endian(std::uint8_t* at, std::uint32_t value, int octets) {
    for (int i = octets - 1; i >= 0; --i, value >>= 8)
        at[i] = static_cast<std::uint8_t>(value);
}

std::size_t basic_header_size(std::uint8_t first) {
    const auto form = first & 0x3f;
    return form == 0 ? 2 : form == 1 ? 3 : 1;
}

std::uint32_t chunk_stream_id(const std::uint8_t* header) {
    const std::uint32_t form = header[0] & 0x3f;
    if (form == 0)
        return 64u + header[1];
    if (form == 1)
        return 64u + header[1] + 256u * header[2];
    return form;
}

} // namespace

// How long the header is, as far as the bytes so far tell.
std::size_t rtmp_chunk_reader::header_length() const {
    if (header_size_ == 0)
        return 1;
    const auto basic = basic_header_size(header_[0]);
    if (header_size_ < basic)
        return basic;
    const unsigned format = header_[0] >> 6;
    const auto without_extension = basic + message_header_size[format];
    if (header_size_ < without_extension)
        return without_extension;
    bool extended = false;
    if (format == 3) {
        const auto found = streams_.find(chunk_stream_id(header_.data()));
        extended = found != streams_.end() && found->second.has_extended;
    } else {
        extended = big_endian(&header_[basic], 3) == extended_marker;
    }
    return without_extension + (extended ? 4 : 0);
}

error_code rtmp_chunk_reader::header_complete() {
    const auto basic = basic_header_size(header_[0]);
    const unsigned format = header_[0] >> 6;
    current_id_ = chunk_stream_id(header_.data());
    auto found = streams_.find(current_id_);
    if (found == streams_.end()) {
        if (streams_.size() >= limits_.chunk_streams)
            return make_error_code(errc::too_many);
        found = streams_.try_emplace(current_id_).first;
    }
    auto& cs = found->second;
    const auto* fields = &header_[basic];
    if (format == 3) {
        if (!cs.seen)
            return make_error_code(errc::protocol_violation);
        if (cs.has_extended) {
            const auto value = big_endian(fields, 4);
            // Fragments repeat the field, but not every encoder does so: four bytes that differ
            // are payload.
            if (cs.in_message && value != cs.extended)
                pushed_back_.assign(fields, fields + 4);
        }
        if (!cs.in_message)
            cs.timestamp += cs.delta;
        return begin_chunk(cs);
    }
    if (!cs.seen && format != 0 && format != 1)
        return make_error_code(errc::protocol_violation);
    if (cs.in_message) {
        // A new message on a stream whose last one is unfinished: the rest will not come.
        discard(cs);
    }
    std::uint32_t time = big_endian(fields, 3);
    cs.has_extended = time == extended_marker;
    if (cs.has_extended)
        cs.extended = time = big_endian(fields + message_header_size[format], 4);
    if (format <= 1) {
        cs.length = big_endian(fields + 3, 3);
        cs.type = fields[6];
    }
    if (format == 0) {
        cs.stream = fields[7] | fields[8] << 8 | fields[9] << 16 |
                    static_cast<std::uint32_t>(fields[10]) << 24;
        cs.timestamp = time;
    } else {
        cs.timestamp += time;
    }
    // RTMP 5.3.1.2.4: after a type 0, a type 3 adds the absolute time again.
    cs.delta = time;
    cs.seen = true;
    return begin_chunk(cs);
}

error_code rtmp_chunk_reader::begin_chunk(chunk_stream& cs) {
    if (!cs.in_message) {
        if (cs.length > limits_.message_bytes)
            return make_error_code(errc::too_large);
        cs.partial.reserve(std::min<std::size_t>(cs.length, first_reserve));
        cs.in_message = true;
        cs.number = ++messages_;
    }
    current_ = &cs;
    chunk_left_ = std::min<std::size_t>(chunk_size_, cs.length - cs.partial.size());
    return {};
}

// The memory goes too: it is no longer counted.
void rtmp_chunk_reader::discard(chunk_stream& cs) {
    unfinished_ -= cs.partial.size();
    cs.partial = {};
    cs.in_message = false;
}

std::uint64_t rtmp_chunk_reader::oldest_unfinished() const {
    std::uint64_t oldest = 0;
    for (const auto& [id, cs] : streams_)
        if (cs.in_message && (oldest == 0 || cs.number < oldest))
            oldest = cs.number;
    return oldest;
}

error_code rtmp_chunk_reader::message_complete(std::vector<rtmp_message>& out) {
    auto& cs = *current_;
    unfinished_ -= cs.partial.size();
    cs.in_message = false;
    const auto type = static_cast<rtmp_type>(cs.type);
    if (type == rtmp_type::set_chunk_size || type == rtmp_type::abort) {
        if (cs.partial.size() < 4)
            return make_error_code(errc::protocol_violation);
        const auto value = big_endian(cs.partial.data(), 4);
        cs.partial = {};
        if (type == rtmp_type::set_chunk_size) {
            if (value == 0 || value > 0x7fffffff)
                return make_error_code(errc::protocol_violation);
            chunk_size_ = value;
        } else if (auto found = streams_.find(value); found != streams_.end()) {
            if (found->second.in_message)
                discard(found->second);
        }
        return {};
    }
    rtmp_message whole;
    whole.type = type;
    whole.chunk_stream = current_id_;
    whole.stream = cs.stream;
    whole.timestamp = cs.timestamp;
    auto held = std::make_shared<const std::vector<std::uint8_t>>(std::move(cs.partial));
    const std::span<const std::uint8_t> view(*held);
    whole.payload = bytes(std::move(held), view);
    cs.partial = {};
    out.push_back(std::move(whole));
    return {};
}

error_code
rtmp_chunk_reader::payload(std::span<const std::uint8_t>& in, std::vector<rtmp_message>& out) {
    auto& cs = *current_;
    const auto n = std::min(chunk_left_, in.size());
    const auto most =
        limits_.unfinished_bytes > 0 ? limits_.unfinished_bytes : 2 * limits_.message_bytes;
    if (unfinished_ + n > most)
        return make_error_code(errc::too_large);
    if (cs.partial.capacity() < cs.partial.size() + n) {
        // Doubling, but never beyond the message, whose length was checked.
        const auto wanted = std::max(cs.partial.size() + n, 2 * cs.partial.capacity());
        cs.partial.reserve(std::min<std::size_t>(wanted, cs.length));
    }
    cs.partial.insert(cs.partial.end(), in.begin(), in.begin() + static_cast<long>(n));
    unfinished_ += n;
    chunk_left_ -= n;
    in = in.subspan(n);
    if (chunk_left_ > 0)
        return {};
    error_code failed;
    if (cs.partial.size() == cs.length)
        failed = message_complete(out);
    current_ = nullptr;
    header_size_ = 0;
    return failed;
}

error_code
rtmp_chunk_reader::receive(std::span<const std::uint8_t> in, std::vector<rtmp_message>& out) {
    for (;;) {
        if (current_) {
            if (in.empty() && chunk_left_ > 0)
                return {};
            if (auto failed = payload(in, out))
                return failed;
            continue;
        }
        while (header_size_ < header_length()) {
            if (in.empty())
                return {};
            header_[header_size_++] = in[0];
            in = in.subspan(1);
        }
        if (auto failed = header_complete())
            return failed;
        if (!pushed_back_.empty()) {
            const auto again = std::move(pushed_back_);
            pushed_back_.clear();
            if (auto failed = receive(again, out))
                return failed;
        }
    }
}

std::span<std::uint8_t> rtmp_gather::add_header(std::size_t size) {
    auto& header = headers_.emplace_back();
    parts_.emplace_back(header.data(), size);
    size_ += size;
    return {header.data(), size};
}

void rtmp_gather::add_payload(const bytes& owner, std::size_t offset, std::size_t length) {
    if (offset == 0)
        kept_.push_back(owner);
    parts_.push_back(owner.view().subspan(offset, length));
    size_ += length;
}

void rtmp_gather::add_raw(bytes raw) {
    parts_.push_back(raw.view());
    size_ += raw.size();
    kept_.push_back(std::move(raw));
}

void rtmp_gather::clear() {
    headers_.clear();
    kept_.clear();
    parts_.clear();
    size_ = 0;
}

namespace {

// Calls header(size) for each header to fill and data(offset, length) for each run of payload.
template <class Header, class Data>
void write_chunks(const rtmp_message& m, std::uint32_t chunk_size, Header header, Data data) {
    const bool extended = m.timestamp >= extended_marker;
    const std::size_t tail = extended ? 4 : 0;
    const std::size_t total = m.payload.size();
    std::size_t offset = 0;
    bool first = true;
    do {
        const std::size_t n = std::min<std::size_t>(chunk_size, total - offset);
        const std::size_t size = (first ? 12 : 1) + tail;
        std::uint8_t* at = header(size);
        at[0] = static_cast<std::uint8_t>((first ? 0 : 0xc0) | (m.chunk_stream & 0x3f));
        if (first) {
            put_big_endian(at + 1, extended ? extended_marker : m.timestamp, 3);
            put_big_endian(at + 4, static_cast<std::uint32_t>(total), 3);
            at[7] = static_cast<std::uint8_t>(m.type);
            for (int i = 0; i < 4; ++i)
                at[8 + i] = static_cast<std::uint8_t>(m.stream >> (8 * i));
        }
        if (extended)
            put_big_endian(at + size - 4, m.timestamp, 4);
        data(offset, n);
        offset += n;
        first = false;
    } while (offset < total);
}

} // namespace

void rtmp_chunk_writer::append(rtmp_gather& out, const rtmp_message& message) const {
    write_chunks(
        message,
        chunk_size_,
        [&](std::size_t size) { return out.add_header(size).data(); },
        [&](std::size_t offset, std::size_t n) { out.add_payload(message.payload, offset, n); }
    );
}

void rtmp_chunk_writer::append(std::vector<std::uint8_t>& out, const rtmp_message& message) const {
    write_chunks(
        message,
        chunk_size_,
        [&](std::size_t size) {
            out.resize(out.size() + size);
            return out.data() + out.size() - size;
        },
        [&](std::size_t offset, std::size_t n) {
            const auto part = message.payload.view().subspan(offset, n);
            out.insert(out.end(), part.begin(), part.end());
        }
    );
}

} // namespace rivulet::ingest
