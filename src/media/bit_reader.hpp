// Bits of a parameter set, most significant first. Reading past the end gives zeros and sets
// overrun(). Pure.
#pragma once

#include "media/h264.hpp"

#include <cstdint>
#include <vector>

namespace rivulet::media {

class bit_reader {
  public:
    explicit bit_reader(byte_span data) : data_(data) {}

    std::uint32_t u(int count) {
        std::uint32_t value = 0;
        for (int i = 0; i < count; ++i)
            value = value << 1 | bit();
        return value;
    }

    bool flag() { return bit() != 0; }

    void skip(std::size_t count) {
        at_ += count;
        if (at_ > data_.size() * 8)
            overrun_ = true;
    }

    // Exp-Golomb; more than 32 leading zeros count as an overrun.
    std::uint32_t ue() {
        int zeros = 0;
        while (!overrun_ && zeros < 32 && bit() == 0)
            ++zeros;
        if (overrun_ || zeros == 32) {
            overrun_ = true;
            return 0;
        }
        return (std::uint32_t{1} << zeros) - 1 + u(zeros);
    }

    std::int32_t se() {
        std::uint32_t code = ue();
        auto half = std::int64_t((std::uint64_t{code} + 1) / 2);
        return std::int32_t(code % 2 ? half : -half);
    }

    bool overrun() const { return overrun_; }

  private:
    std::uint32_t bit() {
        if (at_ >= data_.size() * 8) {
            overrun_ = true;
            return 0;
        }
        std::uint32_t value = data_[at_ / 8] >> (7 - at_ % 8) & 1;
        ++at_;
        return value;
    }

    byte_span data_;
    std::size_t at_ = 0;
    bool overrun_ = false;
};

// The payload of a NAL unit with every 03 of 00 00 03 taken out.
inline std::vector<std::uint8_t> without_emulation_prevention(byte_span nal) {
    std::vector<std::uint8_t> out;
    out.reserve(nal.size());
    int zeros = 0;
    for (std::uint8_t byte : nal) {
        if (zeros >= 2 && byte == 3) {
            zeros = 0;
            continue;
        }
        zeros = byte == 0 ? zeros + 1 : 0;
        out.push_back(byte);
    }
    return out;
}

} // namespace rivulet::media
