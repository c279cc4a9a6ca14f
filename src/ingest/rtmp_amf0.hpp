// AMF0, the value format of RTMP commands. Depth and number of values are bounded.
// Fails with: protocol_violation.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace rivulet::ingest {

struct amf_value;
struct amf_property;

struct amf_undefined {
    bool operator==(const amf_undefined&) const = default;
};

struct amf_null {
    bool operator==(const amf_null&) const = default;
};

// Both hold values of a type that is complete only below, so what touches them is out of line.
struct amf_object {
    std::vector<amf_property> properties;
    bool is_array = false; // an "ECMA array", which encoders use for metadata

    amf_object();
    amf_object(std::initializer_list<amf_property> list);
    amf_object(const amf_object&);
    amf_object(amf_object&&) noexcept;
    amf_object& operator=(const amf_object&);
    amf_object& operator=(amf_object&&) noexcept;
    ~amf_object();
    bool operator==(const amf_object&) const;
};

struct amf_list {
    std::vector<amf_value> items;

    amf_list();
    amf_list(const amf_list&);
    amf_list(amf_list&&) noexcept;
    amf_list& operator=(const amf_list&);
    amf_list& operator=(amf_list&&) noexcept;
    ~amf_list();
    bool operator==(const amf_list&) const;
};

struct amf_value {
    std::variant<amf_undefined, amf_null, bool, double, std::string, amf_object, amf_list> held;

    amf_value() = default;

    amf_value(amf_null n) : held(n) {}

    amf_value(bool b) : held(b) {}

    amf_value(double d) : held(d) {}

    amf_value(int i) : held(static_cast<double>(i)) {}

    amf_value(std::string s) : held(std::move(s)) {}

    amf_value(std::string_view s) : held(std::string(s)) {}

    amf_value(const char* s) : held(std::string(s)) {}

    amf_value(amf_object o) : held(std::move(o)) {}

    amf_value(amf_list l) : held(std::move(l)) {}

    // The text, or an empty one; the number, or 0; the property, or undefined.
    std::string_view text() const;
    double number() const;
    const amf_value& operator[](std::string_view property) const;

    bool is_object() const { return std::holds_alternative<amf_object>(held); }

    bool operator==(const amf_value&) const = default;
};

struct amf_property {
    std::string name;
    amf_value value;
    bool operator==(const amf_property&) const = default;
};

struct amf_limits {
    std::size_t depth = 16;
    std::size_t values = 4096;
};

// Every value of `data` in order. Values after a broken one are lost with the whole.
result<std::vector<amf_value>>
parse_amf0(std::span<const std::uint8_t> data, amf_limits limits = {});

void append_amf0(std::vector<std::uint8_t>& out, const amf_value& value);
std::vector<std::uint8_t> to_amf0(std::initializer_list<amf_value> values);

} // namespace rivulet::ingest
