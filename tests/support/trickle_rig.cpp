#include "support/trickle_rig.hpp"

namespace rivulet::test {

trickle::standalone_options trickle_rig::defaults() {
    trickle::standalone_options options;
    options.trickle.autocreate = true;
    return options;
}

trickle_rig::trickle_rig(trickle::standalone_options options) {
    set_log_level(log_level::off);
    server_ = std::make_unique<trickle::standalone>(shards_, std::move(options), logger("test"));
    auto port = server_->start();
    if (!port)
        throw raw_http_error(port.error().detail);
    port_ = *port;
}

trickle_rig::~trickle_rig() {
    server_.reset(); // while the shards run
}

raw_client trickle_rig::waiting_get(const std::string& path) const {
    auto made = client();
    made.send(request_text("GET", path));
    return made;
}

raw_client trickle_rig::open_post(const std::string& path, std::string_view extra) const {
    auto made = client();
    made.send(open_request("POST", path, extra));
    return made;
}

std::int64_t trickle_rig::next_of(const std::string& name) {
    return at_home(name, [&]() -> std::int64_t {
        const auto found = table().find(name);
        return found ? found->next() : -1;
    });
}

std::size_t trickle_rig::watchers_of(const std::string& name, std::int64_t seq) {
    return at_home(name, [&]() -> std::size_t {
        const auto found = table().find(name);
        auto held = found ? found->open_read(seq) : result<trickle::segment_ptr>{nullptr};
        return held && *held ? (*held)->watchers() : 0;
    });
}

} // namespace rivulet::test
