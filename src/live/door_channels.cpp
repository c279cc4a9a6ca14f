#include "live/door_channels.hpp"

#include "base/ids.hpp"

#include <algorithm>
#include <array>

namespace rivulet::live {
namespace {

constexpr std::size_t secret_octets = 16;
constexpr std::string_view media_type = "video/MP2T";
constexpr std::string_view message_type = "application/json";
constexpr std::array uses{
    door_channel::input, door_channel::control, door_channel::output, door_channel::events};

bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

bool carries_media(door_channel use) {
    return use == door_channel::input || use == door_channel::output;
}

trickle::channel_ptr& place_of(door_channel use, door_channel_set& in) {
    switch (use) {
    case door_channel::input:
        return in.input;
    case door_channel::control:
        return in.control;
    case door_channel::output:
        return in.output;
    case door_channel::events:
        break;
    }
    return in.events;
}

} // namespace

std::string_view suffix_of(door_channel use) {
    switch (use) {
    case door_channel::input:
        return "-in";
    case door_channel::control:
        return "-control";
    case door_channel::output:
        return "-out";
    case door_channel::events:
        break;
    }
    return "-events";
}

bool is_door_channel_name(std::string_view name) {
    const auto ends = [&name](door_channel use) { return name.ends_with(suffix_of(use)); };
    const auto* use = std::ranges::find_if(uses, ends);
    if (use == uses.end())
        return false;
    name.remove_suffix(suffix_of(*use).size());
    constexpr std::size_t digits = 2 * secret_octets;
    if (name.size() < digits + 2) // a name and a hyphen before
        return false;
    const auto secret = name.substr(name.size() - digits);
    return name[name.size() - digits - 1] == '-' && std::ranges::all_of(secret, is_hex);
}

door_channels::door_channels(shards& threads, trickle::channel_table& table)
    : threads_(threads), table_(table), parts_(threads.size()) {}

// Random bits until the name is at home where the stream is, whatever it is used for.
std::string door_channels::name_for(const std::string& stream) const {
    const auto home = threads_.index_of(stream);
    for (;;) {
        auto made = stream + "-" + random_hex(secret_octets);
        const auto lives_there = [this, home, &made](door_channel use) {
            return threads_.index_of(made + std::string(suffix_of(use))) == home;
        };
        if (std::ranges::all_of(uses, lives_there))
            return made;
    }
}

outcome<door_channel_set> door_channels::open(const std::string& stream) {
    door_channel_set made;
    for (const auto use : uses) {
        const auto mime = carries_media(use) ? media_type : message_type;
        // Bits of its own: who was given one channel can't tell the names of the others.
        const auto full = name_for(stream) + std::string(suffix_of(use));
        auto created = table_.create(full, std::string(mime));
        if (!created) {
            for (const auto& one : {made.input, made.control, made.output, made.events})
                close(one);
            return failure(
                created.error(),
                created.error() == errc::closed ? "the gateway is stopping"
                                                : "no room for another stream's channels"
            );
        }
        (*created)->keep();
        part_of(full).insert_or_assign(full, entry{*created, use});
        place_of(use, made) = std::move(*created);
    }
    return made;
}

void door_channels::close(const trickle::channel_ptr& one) {
    if (!one)
        return;
    auto& here = part_of(one->name());
    const auto found = here.find(one->name());
    if (found != here.end() && found->second.held == one)
        here.erase(found);
    table_.remove(one);
    one->close(); // when the name was somebody else's already
}

std::optional<door_channel> door_channels::use_of(const std::string& name) const {
    const auto& here = part_of(name);
    const auto found = here.find(name);
    if (found == here.end() || table_.find(name) != found->second.held)
        return std::nullopt;
    return found->second.use;
}

bool door_channels::is_gone(const std::string& name) const {
    return is_door_channel_name(name) && !table_.find(name);
}

} // namespace rivulet::live
