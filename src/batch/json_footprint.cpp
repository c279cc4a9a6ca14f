#include "batch/json_footprint.hpp"

#include "base/error.hpp"

#include <boost/json/basic_parser_impl.hpp>

#include <algorithm>

namespace rivulet::batch {

namespace json = boost::json;

namespace {

// What an allocation costs beside its bytes, a table's head included.
constexpr std::uint64_t block = 32;
// Of an object: the index of its keys.
constexpr std::uint64_t per_key = 8;

// Shorter texts lie in the value itself; the shortest of the others gets twice that.
const std::uint64_t short_text = json::string().capacity();

// Beside the value itself, which is part of what holds it. Parsers bound the depth.
std::uint64_t behind(const json::value& of) {
    std::uint64_t bytes = 0;
    if (const auto* text = of.if_string()) {
        bytes = text->capacity() <= short_text ? 0 : block + text->capacity();
    } else if (const auto* list = of.if_array()) {
        bytes = block + list->capacity() * sizeof(json::value);
        for (const auto& each : *list)
            bytes += behind(each);
    } else if (const auto* object = of.if_object()) {
        bytes = json_footprint(*object);
    }
    return bytes;
}

// Adds up what the library's parser makes: a stack of the values whose container is still open, and
// for each container that ends a table of its own.
class demand_reader {
  public:
    static constexpr std::size_t max_object_size = std::size_t(-1);
    static constexpr std::size_t max_array_size = std::size_t(-1);
    static constexpr std::size_t max_key_size = std::size_t(-1);
    static constexpr std::size_t max_string_size = std::size_t(-1);

    // The stack doubles, and is there twice while it moves.
    std::uint64_t most() const { return kept_ + 3 * deepest_ + first_stack; }

    bool on_document_begin(error_code&) { return true; }

    bool on_document_end(error_code&) { return true; }

    bool on_object_begin(error_code&) { return true; }

    bool on_object_end(std::size_t size, error_code&) {
        // Keys lie on it like values.
        return close(2 * size, size * (sizeof(json::key_value_pair) + per_key));
    }

    bool on_array_begin(error_code&) { return true; }

    bool on_array_end(std::size_t size, error_code&) {
        return close(size, size * sizeof(json::value));
    }

    bool on_key_part(json::string_view part, std::size_t, error_code&) { return gather(part); }

    bool on_key(json::string_view, std::size_t size, error_code&) {
        kept_ += block + size;
        return push();
    }

    bool on_string_part(json::string_view part, std::size_t, error_code&) { return gather(part); }

    bool on_string(json::string_view, std::size_t size, error_code&) {
        kept_ += size <= short_text ? 0 : block + std::max<std::uint64_t>(size, 2 * short_text);
        return push();
    }

    bool on_number_part(json::string_view, error_code&) { return true; }

    bool on_int64(std::int64_t, json::string_view, error_code&) { return push(); }

    bool on_uint64(std::uint64_t, json::string_view, error_code&) { return push(); }

    bool on_double(double, json::string_view, error_code&) { return push(); }

    bool on_bool(bool, error_code&) { return push(); }

    bool on_null(error_code&) { return push(); }

    bool on_comment_part(json::string_view, error_code&) { return true; }

    bool on_comment(json::string_view, error_code&) { return true; }

  private:
    static constexpr std::uint64_t first_stack = 16 * sizeof(json::value) + block;

    // A text that comes in parts lies on the stack until it is whole.
    bool gather(json::string_view part) {
        gathered_ += part.size();
        return note();
    }

    bool push() {
        gathered_ = 0;
        ++values_;
        return note();
    }

    bool close(std::size_t values, std::uint64_t bytes) {
        kept_ += block + bytes;
        values_ -= values;
        return push();
    }

    bool note() {
        deepest_ = std::max(deepest_, values_ * sizeof(json::value) + gathered_);
        return true;
    }

    std::uint64_t kept_ = 0, values_ = 0, gathered_ = 0, deepest_ = 0;
};

} // namespace

std::uint64_t parsing_footprint(std::string_view text) {
    json::basic_parser<demand_reader> parser(json::parse_options{});
    error_code ignored;
    parser.write_some(false, text.data(), text.size(), ignored);
    return parser.handler().most();
}

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
