#include "trickle/server_reply.hpp"

namespace rivulet::trickle {

http::response text_error(unsigned status, std::string_view text) {
    http::response made;
    made.status = static_cast<http::status>(status);
    made.body = std::string(text) + "\n";
    made.content_type = "text/plain; charset=utf-8";
    made.headers = {{"X-Content-Type-Options", "nosniff"}};
    return made;
}

http::response empty_ok() {
    return {};
}

void add(http::response& to, std::string_view name, std::string_view value) {
    to.headers.emplace_back(name, value);
}

void add(http::response& to, std::string_view name, std::int64_t value) {
    to.headers.emplace_back(name, std::to_string(value));
}

} // namespace rivulet::trickle
