#include "live/connection_watch.hpp"

namespace rivulet::live {

bool is_connection_loss(error_code why) {
    namespace error = asio::error;
    return why == errc::connect_failed || why == error::eof || why == error::connection_reset ||
           why == error::connection_aborted || why == error::connection_refused ||
           why == error::broken_pipe || why == error::host_unreachable ||
           why == error::network_unreachable || why == error::not_connected;
}

connection_watch::verdict connection_watch::failed(channel which, error_code why, time_point now) {
    if (!is_connection_loss(why))
        return verdict::patience;
    auto& here = broken_[index(which)];
    if (here && now - *here < in_a_row) {
        const bool several_requests = which == channel::input || which == channel::control;
        if (!several_requests || now - *here >= same_moment)
            return verdict::gone;
    } else {
        here = now;
    }
    for (std::size_t other = 0; other < broken_.size(); ++other)
        if (other != index(which) && broken_[other] && now - *broken_[other] < together)
            return verdict::gone;
    return verdict::again;
}

} // namespace rivulet::live
