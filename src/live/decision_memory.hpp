// Remembers for a short while what the auth webhook decided over viewers, so that a player that
// asks for every segment, or a page that asks for the status each second, costs one question.
// Pure; bounded. Thread: one at a time.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <unordered_map>

namespace rivulet::live {

class decision_memory {
  public:
    decision_memory(duration yes, duration no, std::size_t most)
        : yes_(yes), no_(no), most_(most) {}

    std::optional<outcome<void>> find(const std::string& question, time_point now) const;
    // Only unauthorized is worth remembering: what failed otherwise may work at once.
    void keep(const std::string& question, const outcome<void>& decision, time_point now);

    std::size_t size() const { return decisions_.size(); }

  private:
    struct entry {
        outcome<void> decision;
        time_point until;
    };

    duration yes_, no_;
    std::size_t most_;
    std::unordered_map<std::string, entry> decisions_;
};

} // namespace rivulet::live
