// A lossy UDP relay as a program, for browsers: udp_relay GATEWAY_PORT LOSS_PERCENT [DELAY_MS
// JITTER_MS]. Prints its own port and runs until it is ended.
#include "support/udp_relay.hpp"

#include <cstdio>
#include <cstdlib>

using namespace rivulet;

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: udp_relay GATEWAY_PORT LOSS_PERCENT [DELAY_MS JITTER_MS]\n");
        return 2;
    }
    test::udp_relay_options options;
    options.lose_up = options.lose_down = std::atof(argv[2]) / 100;
    if (argc > 4) {
        options.delay = std::chrono::milliseconds(std::atoi(argv[3]));
        options.jitter = std::chrono::milliseconds(std::atoi(argv[4]));
    }
    asio::io_context context;
    const auto port = static_cast<std::uint16_t>(std::atoi(argv[1]));
    test::udp_relay relay(
        context.get_executor(), {asio::ip::address_v4::loopback(), port}, options
    );
    std::printf("%u\n", static_cast<unsigned>(relay.endpoint().port()));
    std::fflush(stdout);
    context.run();
}
