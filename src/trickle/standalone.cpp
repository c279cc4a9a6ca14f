#include "trickle/standalone.hpp"

namespace rivulet::trickle {

standalone::standalone(shards& shards, standalone_options options, logger log)
    : shards_(shards), options_(std::move(options)), table_(shards, options_.table, log),
      trickle_(table_, options_.trickle, log), front_(shards, options_.http, log) {
    trickle_.mount(front_, shards_);
}

standalone::~standalone() {
    stop(duration::zero());
}

outcome<std::uint16_t> standalone::start() {
    return front_.listen(options_.address, options_.tls);
}

void standalone::stop(duration drain) {
    table_.stop();
    front_.stop(drain);
}

} // namespace rivulet::trickle
