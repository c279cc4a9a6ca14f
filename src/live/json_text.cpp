#include "live/json_text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/core.h>

#include <cmath>
#include <utility>

namespace rivulet::live {

namespace json = boost::json;

namespace {

void indent(std::string& out, int depth) {
    out += '\n';
    out.append(static_cast<std::size_t>(depth) * 2, ' ');
}

// Recursion is as deep as the value, whose depth its parser limits.
void write(std::string& out, const json::value& value, int depth) {
    if (const auto* object = value.if_object(); object && !object->empty()) {
        out += '{';
        bool first = true;
        for (const auto& [key, member] : *object) {
            if (!std::exchange(first, false))
                out += ',';
            indent(out, depth + 1);
            out += json::serialize(json::string(key));
            out += ": ";
            write(out, member, depth + 1);
        }
        indent(out, depth);
        out += '}';
    } else if (const auto* array = value.if_array(); array && !array->empty()) {
        out += '[';
        bool first = true;
        for (const auto& element : *array) {
            if (!std::exchange(first, false))
                out += ',';
            indent(out, depth + 1);
            write(out, element, depth + 1);
        }
        indent(out, depth);
        out += ']';
    } else if (const auto* number = value.if_double()) {
        out += std::isfinite(*number) ? fmt::format("{}", *number) : "null";
    } else {
        out += json::serialize(value);
    }
}

} // namespace

std::string to_text(const json::value& value) {
    std::string out;
    write(out, value, 0);
    out += '\n';
    return out;
}

} // namespace rivulet::live
