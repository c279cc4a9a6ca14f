// The measured server: a child process, or one that runs already.
// Thread: one.
// Owns: the child; it ends with this object.
#pragma once

#include <cstdio>
#include <memory>
#include <netinet/in.h>
#include <optional>
#include <string>
#include <sys/types.h>

namespace rivulet::bench {

class measured_process {
  public:
    // Runs a shell command and waits until it has printed the address that it listens on;
    // throws std::runtime_error with its output when it does not within 10 s.
    static std::unique_ptr<measured_process> spawn(const std::string& command);

    // "HOST:PORT" (numbers) of a running server; without a pid nothing but traffic is measured.
    static std::unique_ptr<measured_process> attach(const std::string& address, pid_t pid);

    ~measured_process();
    measured_process(const measured_process&) = delete;
    measured_process& operator=(const measured_process&) = delete;

    const sockaddr_in& address() const { return address_; }

    // Of all its threads, user and kernel.
    std::optional<double> cpu_seconds() const;
    std::optional<double> peak_rss_mb() const;

  private:
    measured_process() = default;
    bool find_address();

    sockaddr_in address_{};
    pid_t pid_ = 0;
    bool spawned_ = false;
    std::FILE* output_ = nullptr;
};

} // namespace rivulet::bench
