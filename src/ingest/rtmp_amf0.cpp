#include "ingest/rtmp_amf0.hpp"

#include <bit>

namespace rivulet::ingest {
namespace {

enum marker : std::uint8_t {
    m_number = 0,
    m_boolean = 1,
    m_string = 2,
    m_object = 3,
    m_null = 5,
    m_undefined = 6,
    m_reference = 7,
    m_ecma_array = 8,
    m_object_end = 9,
    m_strict_array = 10,
    m_date = 11,
    m_long_string = 12,
    m_unsupported = 13,
    m_xml = 15,
    m_typed_object = 16,
};

class parser {
  public:
    parser(std::span<const std::uint8_t> data, amf_limits limits) : rest_(data), limits_(limits) {}

    bool done() const { return rest_.empty(); }

    bool value(amf_value& into, std::size_t depth) {
        if (depth > limits_.depth || ++count_ > limits_.values || rest_.empty())
            return false;
        const auto kind = rest_[0];
        rest_ = rest_.subspan(1);
        std::uint64_t raw = 0;
        switch (kind) {
        case m_number:
            if (!integer(8, raw))
                return false;
            into = std::bit_cast<double>(raw);
            return true;
        case m_boolean:
            if (!integer(1, raw))
                return false;
            into = raw != 0;
            return true;
        case m_string:
            return text(2, into);
        case m_long_string:
        case m_xml:
            return text(4, into);
        case m_object:
            return object(into, depth, false);
        case m_ecma_array:
            // The count is a hint that some encoders get wrong: the end marker decides.
            return integer(4, raw) && object(into, depth, true);
        case m_typed_object: {
            amf_value class_name;
            return text(2, class_name) && object(into, depth, false);
        }
        case m_strict_array:
            return list(into, depth);
        case m_date:
            if (!integer(8, raw))
                return false;
            into = std::bit_cast<double>(raw);
            return integer(2, raw); // the time zone, which is always 0
        case m_null:
            into = amf_null{};
            return true;
        case m_reference:
            into = amf_value{};
            return integer(2, raw);
        case m_undefined:
        case m_unsupported:
            into = amf_value{};
            return true;
        default:
            return false;
        }
    }

  private:
    bool integer(std::size_t octets, std::uint64_t& into) {
        if (rest_.size() < octets)
            return false;
        into = 0;
        for (std::size_t i = 0; i < octets; ++i)
            into = into << 8 | rest_[i];
        rest_ = rest_.subspan(octets);
        return true;
    }

    bool raw_text(std::size_t length_octets, std::string& into) {
        std::uint64_t length = 0;
        if (!integer(length_octets, length) || rest_.size() < length)
            return false;
        into.assign(reinterpret_cast<const char*>(rest_.data()), length);
        rest_ = rest_.subspan(length);
        return true;
    }

    bool text(std::size_t length_octets, amf_value& into) {
        std::string value;
        if (!raw_text(length_octets, value))
            return false;
        into = std::move(value);
        return true;
    }

    bool object(amf_value& into, std::size_t depth, bool is_array) {
        amf_object made;
        made.is_array = is_array;
        for (;;) {
            amf_property property;
            if (!raw_text(2, property.name))
                return false;
            if (property.name.empty() && !rest_.empty() && rest_[0] == m_object_end) {
                rest_ = rest_.subspan(1);
                break;
            }
            if (!value(property.value, depth + 1))
                return false;
            made.properties.push_back(std::move(property));
        }
        into = std::move(made);
        return true;
    }

    bool list(amf_value& into, std::size_t depth) {
        std::uint64_t count = 0;
        if (!integer(4, count) || count > rest_.size())
            return false;
        amf_list made;
        for (std::uint64_t i = 0; i < count; ++i) {
            amf_value item;
            if (!value(item, depth + 1))
                return false;
            made.items.push_back(std::move(item));
        }
        into = std::move(made);
        return true;
    }

    std::span<const std::uint8_t> rest_;
    amf_limits limits_;
    std::size_t count_ = 0;
};

void append_integer(std::vector<std::uint8_t>& out, std::uint64_t value, int octets) {
    for (int shift = (octets - 1) * 8; shift >= 0; shift -= 8)
        out.push_back(static_cast<std::uint8_t>(value >> shift));
}

void append_short_text(std::vector<std::uint8_t>& out, std::string_view text) {
    text = text.substr(0, 0xffff);
    append_integer(out, text.size(), 2);
    out.insert(out.end(), text.begin(), text.end());
}

struct printer {
    std::vector<std::uint8_t>& out;

    void operator()(const amf_undefined&) const { out.push_back(m_undefined); }

    void operator()(const amf_null&) const { out.push_back(m_null); }

    void operator()(bool value) const {
        out.push_back(m_boolean);
        out.push_back(value ? 1 : 0);
    }

    void operator()(double value) const {
        out.push_back(m_number);
        append_integer(out, std::bit_cast<std::uint64_t>(value), 8);
    }

    void operator()(const std::string& value) const {
        if (value.size() <= 0xffff) {
            out.push_back(m_string);
            append_short_text(out, value);
            return;
        }
        out.push_back(m_long_string);
        append_integer(out, value.size(), 4);
        out.insert(out.end(), value.begin(), value.end());
    }

    void operator()(const amf_object& value) const {
        out.push_back(value.is_array ? m_ecma_array : m_object);
        if (value.is_array)
            append_integer(out, value.properties.size(), 4);
        for (const auto& property : value.properties) {
            append_short_text(out, property.name);
            append_amf0(out, property.value);
        }
        append_short_text(out, {});
        out.push_back(m_object_end);
    }

    void operator()(const amf_list& value) const {
        out.push_back(m_strict_array);
        append_integer(out, value.items.size(), 4);
        for (const auto& item : value.items)
            append_amf0(out, item);
    }
};

} // namespace

amf_object::amf_object() = default;

amf_object::amf_object(std::initializer_list<amf_property> list) : properties(list) {}

amf_object::amf_object(const amf_object&) = default;
amf_object::amf_object(amf_object&&) noexcept = default;
amf_object& amf_object::operator=(const amf_object&) = default;
amf_object& amf_object::operator=(amf_object&&) noexcept = default;
amf_object::~amf_object() = default;

amf_list::amf_list() = default;
amf_list::amf_list(const amf_list&) = default;
amf_list::amf_list(amf_list&&) noexcept = default;
amf_list& amf_list::operator=(const amf_list&) = default;
amf_list& amf_list::operator=(amf_list&&) noexcept = default;
amf_list::~amf_list() = default;

bool amf_object::operator==(const amf_object& other) const {
    return is_array == other.is_array && properties == other.properties;
}

bool amf_list::operator==(const amf_list& other) const {
    return items == other.items;
}

std::string_view amf_value::text() const {
    const auto* text = std::get_if<std::string>(&held);
    return text ? std::string_view(*text) : std::string_view();
}

double amf_value::number() const {
    const auto* number = std::get_if<double>(&held);
    return number ? *number : 0;
}

const amf_value& amf_value::operator[](std::string_view property) const {
    static const amf_value nothing;
    if (const auto* object = std::get_if<amf_object>(&held))
        for (const auto& candidate : object->properties)
            if (candidate.name == property)
                return candidate.value;
    return nothing;
}

result<std::vector<amf_value>> parse_amf0(std::span<const std::uint8_t> data, amf_limits limits) {
    parser parse(data, limits);
    std::vector<amf_value> values;
    while (!parse.done()) {
        if (!parse.value(values.emplace_back(), 0))
            return make_error_code(errc::protocol_violation);
    }
    return values;
}

void append_amf0(std::vector<std::uint8_t>& out, const amf_value& value) {
    std::visit(printer{out}, value.held);
}

std::vector<std::uint8_t> to_amf0(std::initializer_list<amf_value> values) {
    std::vector<std::uint8_t> out;
    for (const auto& value : values)
        append_amf0(out, value);
    return out;
}

} // namespace rivulet::ingest
