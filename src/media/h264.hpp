// H.264 (and a little H.265) byte streams: NAL units, parameter sets, Annex B and AVC forms.
// Pure; any input is safe.
#pragma once

#include "media/access_unit.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace rivulet::media {

using byte_span = std::span<const std::uint8_t>;

namespace h264 {

enum nal_type : std::uint8_t {
    slice = 1,
    slice_idr = 5,
    sei = 6,
    sps = 7,
    pps = 8,
    access_unit_delimiter = 9,
    end_of_sequence = 10,
    filler = 12
};

inline std::uint8_t type_of(byte_span nal) {
    return nal.empty() ? 0 : nal[0] & 0x1f;
}

struct sps_info {
    int profile = 0;     // profile_idc
    int constraints = 0; // constraint_set flags byte
    int level = 0;
    int width = 0, height = 0; // cropped
    int max_num_ref_frames = 0;
    int reorder_frames = -1; // max_num_reorder_frames; -1: not said
    bool operator==(const sps_info&) const = default;
};

// A NAL unit of type 7, header byte included, without start code.
std::optional<sps_info> parse_sps(byte_span nal);

// True when a slice of type 5 is in the Annex B unit.
bool has_idr(byte_span annexb);

// True when an SEI message in front of the first slice says that a decoder may begin here, at once
// or after a few pictures: how open GOPs and streams with intra refresh are entered.
bool has_recovery_point(byte_span annexb);

// The first SPS and PPS of an Annex B unit, which point into it; empty spans when absent. Looks no
// further than the first slice.
struct parameter_sets {
    byte_span sps, pps;
};

parameter_sets find_parameter_sets(byte_span annexb);

// The Annex B unit with these two in front.
bytes with_parameter_sets(const bytes& annexb, byte_span sps, byte_span pps);

// AVCDecoderConfigurationRecord ("avcC", FLV sequence header) with 4-byte lengths.
std::vector<std::uint8_t> make_avcc_record(byte_span sps, byte_span pps);

struct avcc_record {
    int length_size = 4;
    std::vector<std::vector<std::uint8_t>> sps, pps;
};

std::optional<avcc_record> parse_avcc_record(byte_span record);

// Length-prefixed (4 bytes) NAL units as FLV and MP4 want them: delimiters, fillers and, unless
// asked, parameter sets left out.
std::vector<std::uint8_t> to_avcc(byte_span annexb, bool keep_parameter_sets = false);
// Annex B of length-prefixed NAL units. Nothing when a length reaches past the end.
std::optional<std::vector<std::uint8_t>> to_annexb(byte_span avcc, int length_size = 4);

} // namespace h264

namespace h265 {

inline std::uint8_t type_of(byte_span nal) {
    return nal.empty() ? 0 : (nal[0] >> 1) & 0x3f;
}

// True for IDR and CRA pictures (NAL types 16 to 21).
bool has_random_access(byte_span annexb);

struct sps_info {
    int width = 0, height = 0;
};

std::optional<sps_info> parse_sps(byte_span nal);

} // namespace h265

// The NAL units of an Annex B byte stream, without start codes and trailing zeros.
class nal_range {
  public:
    explicit nal_range(byte_span annexb) : rest_(annexb) { skip_to_start(); }

    // First byte of the next NAL unit, without looking for its end; nothing at the end.
    std::optional<std::uint8_t> peek() const {
        return rest_.empty() ? std::nullopt : std::optional(rest_.front());
    }

    // The next NAL unit; empty at the end.
    byte_span next();

  private:
    void skip_to_start();

    byte_span rest_;
};

} // namespace rivulet::media
