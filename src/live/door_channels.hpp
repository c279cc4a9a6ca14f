// Which channels belong to trickle doors that are open, and what strangers may do with them. Each
// name holds 128 random bits of its own: who knows it may use that one, in its direction only.
// Thread: construct outside the shards; the rest on the home shard of the names.
#pragma once

#include "base/shards.hpp"
#include "trickle/channel_table.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::live {

enum class door_channel {
    input,   // written by the publisher, who ends its stream by deleting it
    control, // written: parameters
    output,  // read
    events   // read
};

std::string_view suffix_of(door_channel use); // "-in", "-control", "-out", "-events"

// Looks like a door's channel: NAME-{32 hex digits}-in, -out, -control or -events.
bool is_door_channel_name(std::string_view name);

struct door_channel_set {
    trickle::channel_ptr input, control, output, events;
};

class door_channels {
  public:
    door_channels(shards& threads, trickle::channel_table& table);

    // Creates the four for a stream: kept, at home on the stream's home shard, where this is
    // called. Fails with too_many, or closed when the gateway ends.
    outcome<door_channel_set> open(const std::string& stream);
    // Ends one: its writers are told, readers get the end of stream. Repeatable.
    void close(const trickle::channel_ptr& one);

    // What an open channel is for; nothing for every other name.
    std::optional<door_channel> use_of(const std::string& name) const;
    // A name that was a door's, or could have been: there is nothing to protect.
    bool is_gone(const std::string& name) const;

  private:
    struct entry {
        trickle::channel_ptr held;
        door_channel use;
    };

    using part = std::map<std::string, entry, std::less<>>;

    part& part_of(std::string_view name) { return parts_[threads_.index_of(name)]; }

    const part& part_of(std::string_view name) const { return parts_[threads_.index_of(name)]; }

    std::string name_for(const std::string& stream) const;

    shards& threads_;
    trickle::channel_table& table_;
    std::vector<part> parts_; // each touched by its shard only
};

} // namespace rivulet::live
