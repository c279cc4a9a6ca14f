// The units of a stream since its newest keyframe, and where its clock is. Bounded: a group that
// grows beyond the limit is given up until the next keyframe. Thread: one owner.
#pragma once

#include "media/access_unit.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace rivulet::live {

class newest_group {
  public:
    static constexpr std::size_t max_bytes = 16u << 20;
    static constexpr std::size_t max_units = 8192;

    // `keep`: the units are wanted too, not only the times.
    void add(const media::access_unit& unit, bool keep) {
        newest_ = unit.dts;
        if (unit.kind == media::track_kind::video && unit.keyframe) {
            before_ = begins_.value_or(unit.dts);
            begins_ = unit.dts;
            units_.clear();
            bytes_ = 0;
            complete_ = keep;
        }
        if (!complete_)
            return;
        bytes_ += unit.data.size();
        if (bytes_ > max_bytes || units_.size() == max_units) {
            complete_ = false;
            units_ = {};
            return;
        }
        units_.push_back(unit);
    }

    const std::vector<media::access_unit>& units() const { return units_; }

    // dts of the newest unit, and of the keyframe before the newest one.
    std::optional<std::int64_t> newest() const { return newest_; }

    std::optional<std::int64_t> keyframe_before() const { return before_; }

  private:
    std::vector<media::access_unit> units_;
    std::size_t bytes_ = 0;
    bool complete_ = false;
    std::optional<std::int64_t> newest_, begins_, before_;
};

} // namespace rivulet::live
