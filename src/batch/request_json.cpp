#include "batch/field_value.hpp"
#include "batch/request_steps.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace rivulet::batch {

namespace json = boost::json;

namespace {

bool same_name(std::string_view a, std::string_view b) {
    constexpr auto lower = [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    return std::ranges::equal(a, b, {}, lower, lower);
}

// Keeps the fields that the pipeline knows and nothing else: what a client sends besides costs no
// memory, however it is nested. Containers are kept only in a list of messages, where only "role"
// and "content" count.
class field_reader {
  public:
    static constexpr std::size_t max_object_size = std::size_t(-1);
    static constexpr std::size_t max_array_size = std::size_t(-1);
    static constexpr std::size_t max_key_size = std::size_t(-1);
    static constexpr std::size_t max_string_size = std::size_t(-1);

    explicit field_reader(const pipeline& kind) : kind_(kind) {}

    json::object values;
    std::optional<api_error> why; // when a call said false

    bool on_document_begin(error_code&) { return true; }

    bool on_document_end(error_code&) { return true; }

    bool on_object_begin(error_code& ec) {
        ++depth_;
        if (depth_ == 1)
            return true;
        if (depth_ == 2 && field_)
            return refuse(ec, wrong_type("an object"));
        if (depth_ == 3 && in_messages_)
            message_ = json::object();
        else if (depth_ == 4 && in_messages_ && message_part_)
            return refuse(ec, wrong_part("an object"));
        return true;
    }

    bool on_object_end(std::size_t, error_code& ec) {
        const bool message = depth_ == 3 && in_messages_;
        --depth_;
        if (!message)
            return true;
        messages_.push_back(std::move(message_));
        return check_count(ec);
    }

    bool on_array_begin(error_code& ec) {
        ++depth_;
        if (depth_ == 1)
            return refuse(ec, no_object("a list"));
        if (depth_ == 2 && field_) {
            if (field_->kind != field_kind::messages)
                return refuse(ec, wrong_type("a list"));
            in_messages_ = true;
            messages_.clear();
        } else if (depth_ == 3 && in_messages_) {
            return refuse(ec, no_message("a list"));
        } else if (depth_ == 4 && in_messages_ && message_part_) {
            return refuse(ec, wrong_part("a list"));
        }
        return true;
    }

    bool on_array_end(std::size_t, error_code&) {
        if (depth_ == 2 && in_messages_) {
            in_messages_ = false;
            values[field_->name] = std::move(messages_);
            messages_ = json::array();
        }
        --depth_;
        return true;
    }

    bool on_key_part(json::string_view part, std::size_t, error_code&) {
        // Longer ones can't be known.
        if (key_.size() <= longest_key)
            key_ += std::string_view(part);
        return true;
    }

    bool on_key(json::string_view part, std::size_t size, error_code& ec) {
        on_key_part(part, size, ec);
        if (depth_ == 1) {
            field_ = find(key_);
        } else if (depth_ == 3 && in_messages_) {
            message_part_ = same_name(key_, "role")      ? "role"
                            : same_name(key_, "content") ? "content"
                                                         : nullptr;
        }
        key_.clear();
        return true;
    }

    bool on_string_part(json::string_view part, std::size_t, error_code&) {
        if (kept())
            text_ += std::string_view(part);
        return true;
    }

    bool on_string(json::string_view part, std::size_t size, error_code& ec) {
        on_string_part(part, size, ec);
        json::string text(text_);
        text_.clear();
        return take(std::move(text), "text", ec);
    }

    bool on_number_part(json::string_view, error_code&) { return true; }

    bool on_int64(std::int64_t number, json::string_view, error_code& ec) {
        return take(number, "a number", ec);
    }

    bool on_uint64(std::uint64_t number, json::string_view, error_code& ec) {
        return take(number, "a number", ec);
    }

    bool on_double(double number, json::string_view, error_code& ec) {
        return take(number, "a number", ec);
    }

    bool on_bool(bool flag, error_code& ec) { return take(flag, "a boolean", ec); }

    bool on_null(error_code& ec) { return take(nullptr, "null", ec); }

    bool on_comment_part(json::string_view, error_code&) { return true; }

    bool on_comment(json::string_view, error_code&) { return true; }

  private:
    static constexpr std::size_t longest_key = 64;

    const field* find(std::string_view name) const {
        for (const auto& one : kind_.fields)
            if (same_name(one.name, name) && !one.own && one.kind != field_kind::file)
                return &one;
        return nullptr;
    }

    // The value that begins here is somebody's.
    bool kept() const {
        return (depth_ == 1 && field_) || (depth_ == 3 && in_messages_ && message_part_);
    }

    bool take(json::value value, std::string_view type, error_code& ec) {
        if (depth_ == 0)
            return value.is_null() || refuse(ec, no_object(type));
        if (depth_ == 2 && in_messages_)
            return refuse(ec, no_message(type));
        if (depth_ == 1 && field_) {
            if (value.is_null())
                values.erase(field_->name);
            else
                values[field_->name] = std::move(value);
        } else if (kept()) {
            message_[message_part_] = std::move(value);
        }
        return true;
    }

    bool check_count(error_code& ec) {
        if (messages_.size() <= most_messages)
            return true;
        return refuse(
            ec,
            bad_field(
                field_->name,
                fmt::format("{} has more than {} entries", field_->name, most_messages)
            )
        );
    }

    bool refuse(error_code& ec, api_error with) {
        why = std::move(with);
        ec = make_error_code(errc::invalid_argument);
        return false;
    }

    static api_error no_object(std::string_view got) {
        return {
            http::status::bad_request, fmt::format("The body must be a JSON object, not {}", got)};
    }

    api_error wrong_type(std::string_view got) const {
        return bad_field(
            field_->name,
            fmt::format("{} must be {}, not {}", field_->name, kind_text(field_->kind), got)
        );
    }

    api_error no_message(std::string_view got) const {
        return bad_field(
            field_->name,
            fmt::format("{}[{}] must be an object, not {}", field_->name, messages_.size(), got)
        );
    }

    api_error wrong_part(std::string_view got) const {
        return bad_field(
            field_->name,
            fmt::format(
                "{}[{}].{} must be text, not {}", field_->name, messages_.size(), message_part_, got
            )
        );
    }

    const pipeline& kind_;
    std::size_t depth_ = 0;
    std::string key_, text_;
    const field* field_ = nullptr; // of the newest key of the body itself; null: nobody's
    bool in_messages_ = false;
    json::array messages_;
    json::object message_;
    const char* message_part_ = nullptr; // "role", "content"; null: nobody's
};

api_error syntax_error(const error_code& ec, std::string_view body, std::size_t at) {
    if (body.find_first_not_of(" \t\r\n") == body.npos)
        return {http::status::bad_request, "The body is empty; a JSON object is expected"};
    if (ec == json::error::incomplete)
        return {http::status::bad_request, "The body is no valid JSON: it ends in the middle"};
    if (ec == json::error::too_deep)
        return {http::status::bad_request, "The body is nested too deeply"};
    return {
        http::status::bad_request,
        fmt::format("The body is no valid JSON: {} at byte {}", ec.message(), at + 1)};
}

} // namespace

answer<request>
parse_json(const pipeline& kind, std::string_view body, const request_rules& rules) {
    json::parse_options options;
    options.allow_invalid_utf8 = true; // replaced where it is kept
    json::basic_parser<field_reader> parser(options, kind);
    error_code ec;
    const auto used = parser.write_some(false, body.data(), body.size(), ec);
    auto& reader = parser.handler();
    if (reader.why)
        return std::move(*reader.why);
    if (ec)
        return syntax_error(ec, body, used);
    return make_request(kind, reader.values, rules);
}

} // namespace rivulet::batch
