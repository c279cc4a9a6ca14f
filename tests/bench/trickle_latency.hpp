// A histogram of durations in logarithmic buckets: 64 per power of two, so within 1.6 %.
// Thread: one.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace rivulet::bench {

class latency_histogram {
  public:
    void record(std::uint64_t ns) {
        ++counts_[bucket(ns)];
        ++total_;
        max_ = std::max(max_, ns);
    }

    void merge(const latency_histogram& other) {
        for (std::size_t i = 0; i < counts_.size(); ++i)
            counts_[i] += other.counts_[i];
        total_ += other.total_;
        max_ = std::max(max_, other.max_);
    }

    // The duration that `share` (0..1) of the records do not exceed, in milliseconds.
    double quantile_ms(double share) const {
        auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(total_));
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            seen += counts_[i];
            if (seen > wanted)
                return static_cast<double>(std::min(upper_edge(i), max_)) / 1e6;
        }
        return max_ms();
    }

    double max_ms() const { return static_cast<double>(max_) / 1e6; }

  private:
    static constexpr unsigned sub_bits = 6;

    static std::size_t bucket(std::uint64_t ns) {
        if (ns < (1u << sub_bits))
            return ns;
        unsigned shift = static_cast<unsigned>(std::bit_width(ns)) - sub_bits - 1;
        return (std::size_t{shift} << sub_bits) + (ns >> shift);
    }

    static std::uint64_t upper_edge(std::size_t index) {
        if (index < (2u << sub_bits))
            return index;
        std::size_t shift = (index >> sub_bits) - 1;
        return ((index - (shift << sub_bits) + 1) << shift) - 1;
    }

    std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>((66 - sub_bits) << sub_bits);
    std::uint64_t total_ = 0;
    std::uint64_t max_ = 0;
};

} // namespace rivulet::bench
