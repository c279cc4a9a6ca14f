#include "media/h264.hpp"

#include "media/bit_reader.hpp"

#include <algorithm>
#include <cstring>

namespace rivulet::media {

namespace {

// Position of 00 00 01 at or after `from`; size when there is none.
std::size_t find_start_code(byte_span data, std::size_t from) {
    const std::uint8_t* begin = data.data();
    const std::uint8_t* end = begin + data.size();
    const std::uint8_t* p = begin + from;
    while (end - p >= 3) {
        // The 01 is rarer than the zeros; memchr runs many bytes a cycle.
        auto one =
            static_cast<const std::uint8_t*>(std::memchr(p + 2, 1, std::size_t(end - p - 2)));
        if (!one)
            break;
        if (one[-1] == 0 && one[-2] == 0)
            return std::size_t(one - 2 - begin);
        p = one - 1;
    }
    return data.size();
}

void append_length_prefixed(std::vector<std::uint8_t>& out, byte_span nal) {
    auto size = static_cast<std::uint32_t>(nal.size());
    out.push_back(std::uint8_t(size >> 24));
    out.push_back(std::uint8_t(size >> 16));
    out.push_back(std::uint8_t(size >> 8));
    out.push_back(std::uint8_t(size));
    out.insert(out.end(), nal.begin(), nal.end());
}

void skip_scaling_list(bit_reader& bits, int size) {
    int last = 8, next = 8;
    for (int i = 0; i < size; ++i) {
        if (next != 0)
            next = int((unsigned(last) + unsigned(bits.se())) % 256);
        last = next == 0 ? last : next;
    }
}

bool plausible(std::int64_t width, std::int64_t height) {
    return width > 0 && height > 0 && width <= 16384 && height <= 16384;
}

} // namespace

void nal_range::skip_to_start() {
    std::size_t at = find_start_code(rest_, 0);
    rest_ = rest_.subspan(at == rest_.size() ? at : at + 3);
}

byte_span nal_range::next() {
    while (!rest_.empty()) {
        std::size_t end = find_start_code(rest_, 0);
        byte_span nal = rest_.first(end);
        rest_ = rest_.subspan(end == rest_.size() ? end : end + 3);
        while (!nal.empty() && nal.back() == 0) // 4-byte start codes and trailing_zero_8bits
            nal = nal.first(nal.size() - 1);
        if (!nal.empty())
            return nal;
    }
    return {};
}

namespace h264 {

std::optional<sps_info> parse_sps(byte_span nal) {
    if (nal.size() < 4 || type_of(nal) != sps)
        return std::nullopt;
    sps_info info;
    info.profile = nal[1];
    info.constraints = nal[2];
    info.level = nal[3];

    auto payload = without_emulation_prevention(nal.subspan(4));
    bit_reader bits(payload);
    bits.ue(); // seq_parameter_set_id
    std::uint32_t chroma_format = 1;
    bool separate_planes = false;
    static constexpr int high_profiles[] = {
        100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135};
    if (std::find(std::begin(high_profiles), std::end(high_profiles), info.profile) !=
        std::end(high_profiles)) {
        chroma_format = bits.ue();
        if (chroma_format > 3)
            return std::nullopt;
        if (chroma_format == 3)
            separate_planes = bits.flag();
        bits.ue(); // bit_depth_luma_minus8
        bits.ue(); // bit_depth_chroma_minus8
        bits.skip(1);
        if (bits.flag())
            for (int i = 0; i < (chroma_format != 3 ? 8 : 12); ++i)
                if (bits.flag())
                    skip_scaling_list(bits, i < 6 ? 16 : 64);
    }
    bits.ue(); // log2_max_frame_num_minus4
    std::uint32_t poc_type = bits.ue();
    if (poc_type == 0) {
        bits.ue();
    } else if (poc_type == 1) {
        bits.skip(1);
        bits.se();
        bits.se();
        std::uint32_t cycle = bits.ue();
        if (cycle > 255)
            return std::nullopt;
        for (std::uint32_t i = 0; i < cycle; ++i)
            bits.se();
    }
    info.max_num_ref_frames = int(std::min<std::uint32_t>(bits.ue(), 16));
    bits.skip(1); // gaps_in_frame_num_value_allowed_flag
    std::int64_t width = (std::int64_t(bits.ue()) + 1) * 16;
    std::int64_t map_height = std::int64_t(bits.ue()) + 1;
    bool frame_mbs_only = bits.flag();
    std::int64_t height = map_height * 16 * (frame_mbs_only ? 1 : 2);
    if (!frame_mbs_only)
        bits.skip(1);
    bits.skip(1); // direct_8x8_inference_flag
    if (bits.flag()) {
        std::int64_t left = bits.ue(), right = bits.ue(), top = bits.ue(), bottom = bits.ue();
        std::int64_t array_type = separate_planes ? 0 : chroma_format;
        std::int64_t unit_x = array_type == 1 || array_type == 2 ? 2 : 1;
        std::int64_t unit_y = (array_type == 1 ? 2 : 1) * (frame_mbs_only ? 1 : 2);
        width -= (left + right) * unit_x;
        height -= (top + bottom) * unit_y;
    }
    if (bits.overrun() || !plausible(width, height))
        return std::nullopt;
    info.width = int(width);
    info.height = int(height);

    if (bits.flag()) { // VUI
        if (bits.flag() && bits.u(8) == 255)
            bits.skip(32);
        if (bits.flag())
            bits.skip(1);
        if (bits.flag()) {
            bits.skip(4);
            if (bits.flag())
                bits.skip(24);
        }
        if (bits.flag()) {
            bits.ue();
            bits.ue();
        }
        if (bits.flag())
            bits.skip(65);
        bool hrd = false;
        for (int i = 0; i < 2; ++i) { // NAL HRD, VCL HRD
            if (!bits.flag())
                continue;
            hrd = true;
            std::uint32_t count = bits.ue() + 1;
            if (count == 0 || count > 32)
                return info;
            bits.skip(8);
            for (std::uint32_t k = 0; k < count; ++k) {
                bits.ue();
                bits.ue();
                bits.skip(1);
            }
            bits.skip(20);
        }
        if (hrd)
            bits.skip(1);
        bits.skip(1); // pic_struct_present_flag
        if (bits.flag()) {
            bits.skip(1);
            bits.ue();
            bits.ue();
            bits.ue();
            bits.ue();
            std::uint32_t reorder = bits.ue();
            if (!bits.overrun() && reorder <= 16)
                info.reorder_frames = int(reorder);
        }
    }
    return info;
}

bool has_idr(byte_span annexb) {
    nal_range nals(annexb);
    for (auto head = nals.peek(); head; nals.next(), head = nals.peek()) {
        int type = *head & 0x1f;
        if (type == slice_idr)
            return true;
        if (type >= 1 && type < slice_idr) // slices of one picture are of one kind
            return false;
    }
    return false;
}

bool has_recovery_point(byte_span annexb) {
    constexpr unsigned recovery_point = 6;
    nal_range nals(annexb);
    for (auto head = nals.peek(); head; head = nals.peek()) {
        int type = *head & 0x1f;
        if (type >= slice && type <= slice_idr)
            return false;
        byte_span nal = nals.next();
        if (type != sei || nal.size() < 2)
            continue;
        auto messages = without_emulation_prevention(nal.subspan(1));
        std::size_t at = 0;
        // Both numbers are sums of octets, of which all but the last are 255.
        auto number = [&] {
            std::size_t sum = 0;
            while (at < messages.size()) {
                std::uint8_t octet = messages[at++];
                sum += octet;
                if (octet != 0xff)
                    break;
            }
            return sum;
        };
        while (at + 2 < messages.size()) { // the last octet ends the NAL unit
            auto kind = number();
            auto size = number();
            if (kind == recovery_point && size > 0 && at < messages.size())
                return true;
            if (size > messages.size() - at)
                break;
            at += size;
        }
    }
    return false;
}

bytes with_parameter_sets(const bytes& annexb, byte_span sps_nal, byte_span pps_nal) {
    static constexpr std::uint8_t start_code[] = {0, 0, 0, 1};
    constexpr int delimiter = 9;
    byte_span unit = annexb.view();
    // A delimiter stays the first of its access unit.
    std::size_t front = 0;
    nal_range nals(unit);
    if (auto head = nals.peek(); head && (*head & 0x1f) == delimiter) {
        byte_span nal = nals.next();
        front = static_cast<std::size_t>(nal.data() - unit.data()) + nal.size();
    }
    auto whole = std::make_shared<std::vector<std::uint8_t>>();
    whole->reserve(8 + sps_nal.size() + pps_nal.size() + annexb.size());
    auto add = [&whole](byte_span more) { whole->insert(whole->end(), more.begin(), more.end()); };
    add(unit.first(front));
    for (byte_span nal : {sps_nal, pps_nal}) {
        add(start_code);
        add(nal);
    }
    add(unit.subspan(front));
    byte_span view = *whole;
    return bytes(std::move(whole), view);
}

parameter_sets find_parameter_sets(byte_span annexb) {
    parameter_sets found;
    nal_range nals(annexb);
    for (auto head = nals.peek(); head; head = nals.peek()) {
        int type = *head & 0x1f;
        if (type >= 1 && type <= 5)
            break;
        byte_span nal = nals.next();
        if (type == sps && found.sps.empty())
            found.sps = nal;
        else if (type == pps && found.pps.empty())
            found.pps = nal;
    }
    return found;
}

std::vector<std::uint8_t> make_avcc_record(byte_span sps_nal, byte_span pps_nal) {
    std::vector<std::uint8_t> out;
    if (sps_nal.size() < 4 || sps_nal.size() > 0xffff || pps_nal.empty() || pps_nal.size() > 0xffff)
        return out;
    out = {1, sps_nal[1], sps_nal[2], sps_nal[3], 0xff, 0xe1};
    out.push_back(std::uint8_t(sps_nal.size() >> 8));
    out.push_back(std::uint8_t(sps_nal.size()));
    out.insert(out.end(), sps_nal.begin(), sps_nal.end());
    out.push_back(1);
    out.push_back(std::uint8_t(pps_nal.size() >> 8));
    out.push_back(std::uint8_t(pps_nal.size()));
    out.insert(out.end(), pps_nal.begin(), pps_nal.end());
    int profile = sps_nal[1];
    if (profile == 100 || profile == 110 || profile == 122 || profile == 144) {
        // The chroma fields that these profiles add; everything carried here is 8-bit 4:2:0 unless
        // the SPS says otherwise.
        auto payload = without_emulation_prevention(sps_nal.subspan(4));
        bit_reader bits(payload);
        bits.ue();
        std::uint32_t chroma = bits.ue() & 3;
        if (chroma == 3)
            bits.skip(1);
        std::uint32_t luma = bits.ue() & 7, chroma_depth = bits.ue() & 7;
        out.push_back(std::uint8_t(0xfc | chroma));
        out.push_back(std::uint8_t(0xf8 | luma));
        out.push_back(std::uint8_t(0xf8 | chroma_depth));
        out.push_back(0);
    }
    return out;
}

std::optional<avcc_record> parse_avcc_record(byte_span record) {
    if (record.size() < 7 || record[0] != 1)
        return std::nullopt;
    avcc_record out;
    out.length_size = (record[4] & 3) + 1;
    std::size_t at = 5;
    auto read_sets = [&](std::size_t count, std::vector<std::vector<std::uint8_t>>& sets) {
        for (std::size_t i = 0; i < count; ++i) {
            if (record.size() - at < 2)
                return false;
            std::size_t size = std::size_t(record[at] << 8 | record[at + 1]);
            at += 2;
            if (record.size() - at < size)
                return false;
            auto nal = record.subspan(at, size);
            sets.emplace_back(nal.begin(), nal.end());
            at += size;
        }
        return true;
    };
    std::size_t sps_count = record[at++] & 0x1f;
    if (!read_sets(sps_count, out.sps) || at >= record.size())
        return std::nullopt;
    std::size_t pps_count = record[at++];
    if (!read_sets(pps_count, out.pps))
        return std::nullopt;
    return out;
}

std::vector<std::uint8_t> to_avcc(byte_span annexb, bool keep_parameter_sets) {
    std::vector<std::uint8_t> out;
    out.reserve(annexb.size() + 16);
    nal_range nals(annexb);
    for (byte_span nal = nals.next(); !nal.empty(); nal = nals.next()) {
        auto type = type_of(nal);
        if (type == access_unit_delimiter || type == filler)
            continue;
        if ((type == sps || type == pps) && !keep_parameter_sets)
            continue;
        append_length_prefixed(out, nal);
    }
    return out;
}

std::optional<std::vector<std::uint8_t>> to_annexb(byte_span avcc, int length_size) {
    if (length_size < 1 || length_size > 4)
        return std::nullopt;
    std::vector<std::uint8_t> out;
    out.reserve(avcc.size() + 16);
    while (!avcc.empty()) {
        if (avcc.size() < std::size_t(length_size))
            return std::nullopt;
        std::size_t size = 0;
        for (int i = 0; i < length_size; ++i)
            size = size << 8 | avcc[std::size_t(i)];
        avcc = avcc.subspan(std::size_t(length_size));
        if (size > avcc.size())
            return std::nullopt;
        if (size != 0) {
            static constexpr std::uint8_t start_code[] = {0, 0, 0, 1};
            out.insert(out.end(), std::begin(start_code), std::end(start_code));
            out.insert(out.end(), avcc.begin(), avcc.begin() + std::ptrdiff_t(size));
        }
        avcc = avcc.subspan(size);
    }
    return out;
}

} // namespace h264

namespace h265 {

bool has_random_access(byte_span annexb) {
    nal_range nals(annexb);
    for (auto head = nals.peek(); head; nals.next(), head = nals.peek()) {
        int type = *head >> 1 & 0x3f;
        if (type < 32) // a slice
            return type >= 16 && type <= 21;
    }
    return false;
}

std::optional<sps_info> parse_sps(byte_span nal) {
    if (nal.size() < 4 || type_of(nal) != 33)
        return std::nullopt;
    auto payload = without_emulation_prevention(nal.subspan(2));
    bit_reader bits(payload);
    bits.skip(4);
    std::uint32_t max_sub_layers = bits.u(3); // minus 1
    bits.skip(1);
    bits.skip(96); // profile_tier_level: general part and general_level_idc
    bool profile_present[8] = {}, level_present[8] = {};
    for (std::uint32_t i = 0; i < max_sub_layers; ++i) {
        profile_present[i] = bits.flag();
        level_present[i] = bits.flag();
    }
    if (max_sub_layers > 0)
        for (std::uint32_t i = max_sub_layers; i < 8; ++i)
            bits.skip(2);
    for (std::uint32_t i = 0; i < max_sub_layers; ++i) {
        if (profile_present[i])
            bits.skip(88);
        if (level_present[i])
            bits.skip(8);
    }
    bits.ue(); // sps_id
    std::uint32_t chroma_format = bits.ue();
    if (chroma_format > 3)
        return std::nullopt;
    bool separate_planes = chroma_format == 3 && bits.flag();
    std::int64_t width = bits.ue(), height = bits.ue();
    if (bits.flag()) {
        std::int64_t left = bits.ue(), right = bits.ue(), top = bits.ue(), bottom = bits.ue();
        std::int64_t unit_x =
            !separate_planes && (chroma_format == 1 || chroma_format == 2) ? 2 : 1;
        std::int64_t unit_y = !separate_planes && chroma_format == 1 ? 2 : 1;
        width -= (left + right) * unit_x;
        height -= (top + bottom) * unit_y;
    }
    if (bits.overrun() || !plausible(width, height))
        return std::nullopt;
    return sps_info{int(width), int(height)};
}

} // namespace h265

} // namespace rivulet::media
