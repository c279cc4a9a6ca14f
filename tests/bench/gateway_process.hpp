// A rivulet gateway or worker as a child process: start it, learn its ports, watch its CPU time and
// memory, ask its API, stop it. Thread: the owner's; every call blocks shortly.
#pragma once

#include "base/error.hpp"

#include <boost/json/value.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <sys/types.h>
#include <vector>

namespace rivulet::test {

class gateway_process {
  public:
    gateway_process() = default;
    // Stops it: SIGTERM, and SIGKILL when it does not go.
    ~gateway_process();
    gateway_process(const gateway_process&) = delete;
    gateway_process& operator=(const gateway_process&) = delete;

    // Starts `binary` and waits until it says that it is ready. What it logs goes to `log_file`.
    // Fails with a text that ends in the last lines of the log.
    outcome<void> start(
        const std::string& binary, std::vector<std::string> arguments, const std::string& log_file
    );
    // True when it ended by itself with exit code 0 after SIGTERM.
    bool stop();
    bool running();

    std::uint16_t http_port() const { return http_port_; }

    std::uint16_t rtmp_port() const { return rtmp_port_; }

    std::uint16_t worker_port() const { return worker_port_; } // of `rivulet worker`

    pid_t pid() const { return pid_; }

    // CPU time used so far, user and system; resident memory in bytes.
    std::chrono::milliseconds cpu_time() const;
    std::uint64_t resident_bytes() const;
    // The JSON reply of GET `path`. Fails with http_status, timed_out or connect_failed.
    outcome<boost::json::value> get_json(const std::string& path) const;
    // The last lines of its log.
    std::string log_tail() const;

  private:
    outcome<void> wait_until_ready(int output);

    pid_t pid_ = -1;
    int exit_status_ = -1;
    std::uint16_t http_port_ = 0, rtmp_port_ = 0, worker_port_ = 0;
    std::string log_file_;
};

enum class transport { tcp, udp };

// True when nobody has 127.0.0.1:PORT (at this moment).
bool port_is_free(std::uint16_t port, transport over = transport::tcp);

} // namespace rivulet::test
