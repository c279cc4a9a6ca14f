// The ICE-lite side of one peer (RFC 8445, 2.5): answers connectivity checks, learns the paths that
// passed one, and follows the peer's nomination. It sends no checks of its own. Pure.
#pragma once

#include "webrtc/peer.hpp"
#include "webrtc/stun_message.hpp"

#include <optional>
#include <vector>

namespace rivulet::webrtc {

struct ice_reply {
    std::vector<std::uint8_t> datagram; // goes back on the path the check came on; empty: none
    bool accepted = false;              // the check was the peer's: the path is one of its own
    std::optional<path_id> forgotten;   // a path that had to go, for there are too many
    std::optional<std::string> retired; // a user fragment of ours that is no longer answered
};

class ice_lite {
  public:
    explicit ice_lite(ice_parameters local);

    // `datagram` is a request that parsed into `message`.
    ice_reply receive(
        std::span<const std::uint8_t> datagram,
        const stun_message& message,
        const path& from,
        time_point now
    );
    // New credentials of ours. The old ones are answered until the first check with the new ones;
    // a user fragment that is retired at once (by a second restart) comes back.
    std::optional<std::string> restart(ice_parameters local);
    // A path that is no more, as a closed TCP connection. The selected one may be among them.
    void lost(const path_id& id);

    const ice_parameters& local() const { return local_; }

    // Where to send: the nominated path, before that the first that passed a check; null: none yet.
    const path* selected() const;
    bool knows(const path_id& id) const;
    std::vector<path_id> paths() const;
    std::vector<std::string> fragments() const;

    static constexpr std::size_t max_paths = 8;

  private:
    struct entry {
        path where;
        std::uint32_t priority = 0;
        time_point heard, nominated = time_point::min();
        unsigned generation = 0; // the restart whose credentials it was last checked with
    };

    bool wins(const entry& candidate, const entry& current, time_point now) const;

    ice_parameters local_;
    std::optional<ice_parameters> previous_;
    std::vector<entry> entries_;
    std::optional<path_id> selected_;
    unsigned generation_ = 0;
};

// Random, of the alphabet and the lengths that RFC 8839 demands.
ice_parameters make_ice_parameters();

} // namespace rivulet::webrtc
