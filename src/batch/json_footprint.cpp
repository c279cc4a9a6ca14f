#include "batch/json_footprint.hpp"

namespace rivulet::batch {

namespace json = boost::json;

namespace {

// What an allocation costs beside its bytes, a table's head included.
constexpr std::uint64_t block = 32;
// Of an object: the index of its keys.
constexpr std::uint64_t per_key = 8;

// Beside the value itself, which is part of what holds it. Parsers bound the depth.
std::uint64_t behind(const json::value& of) {
    std::uint64_t bytes = 0;
    if (const auto* text = of.if_string()) {
        bytes = text->capacity() < sizeof(json::string) ? 0 : block + text->capacity();
    } else if (const auto* list = of.if_array()) {
        bytes = block + list->capacity() * sizeof(json::value);
        for (const auto& each : *list)
            bytes += behind(each);
    } else if (const auto* object = of.if_object()) {
        bytes = json_footprint(*object);
    }
    return bytes;
}

} // namespace

std::uint64_t json_footprint(const json::object& of) {
    auto bytes = block + of.capacity() * (sizeof(json::key_value_pair) + per_key);
    for (const auto& each : of)
        bytes += block + each.key().size() + behind(each.value());
    return bytes;
}

std::uint64_t json_footprint(const json::value& of) {
    return sizeof(json::value) + behind(of);
}

} // namespace rivulet::batch
