#include "trickle_process.hpp"

#include <arpa/inet.h>
#include <charconv>
#include <csignal>
#include <ctime>
#include <fstream>
#include <regex>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace rivulet::bench {

namespace {

std::string whole_text(std::FILE* file) {
    char text[16 << 10];
    auto n = pread(fileno(file), text, sizeof text, 0);
    return {text, n > 0 ? static_cast<std::size_t>(n) : 0};
}

bool parse_address(const std::string& host, const std::string& port, sockaddr_in& into) {
    into.sin_family = AF_INET;
    into.sin_port = htons(static_cast<std::uint16_t>(std::stoul(port)));
    return inet_pton(AF_INET, host.c_str(), &into.sin_addr) == 1;
}

} // namespace

std::unique_ptr<measured_process> measured_process::spawn(const std::string& command) {
    std::unique_ptr<measured_process> made(new measured_process);
    made->spawned_ = true;
    made->output_ = std::tmpfile();
    if (!made->output_)
        throw std::runtime_error("no temporary file for the server's output");
    auto line = "exec " + command;
    made->pid_ = fork();
    if (made->pid_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(fileno(made->output_), 1);
        dup2(fileno(made->output_), 2);
        execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
        _exit(127);
    }
    for (int tries = 0; tries < 500; ++tries) {
        usleep(20'000);
        bool over = waitpid(made->pid_, nullptr, WNOHANG) == made->pid_;
        if (over)
            made->pid_ = 0;
        else if (made->find_address())
            return made;
        if (over)
            break;
    }
    throw std::runtime_error(
        "the server did not print where it listens: " + command + "\n" + whole_text(made->output_)
    );
}

std::unique_ptr<measured_process> measured_process::attach(const std::string& address, pid_t pid) {
    std::unique_ptr<measured_process> made(new measured_process);
    auto colon = address.find(':');
    if (colon == address.npos ||
        !parse_address(address.substr(0, colon), address.substr(colon + 1), made->address_))
        throw std::runtime_error("not an address of numbers: " + address);
    made->pid_ = pid;
    return made;
}

measured_process::~measured_process() {
    if (spawned_ && pid_ > 0) {
        kill(pid_, SIGTERM);
        bool over = false;
        for (int tries = 0; tries < 100 && !over; ++tries) {
            over = waitpid(pid_, nullptr, WNOHANG) == pid_;
            if (!over)
                usleep(20'000);
        }
        if (!over) {
            kill(pid_, SIGKILL);
            waitpid(pid_, nullptr, 0);
        }
    }
    if (output_)
        std::fclose(output_);
}

bool measured_process::find_address() {
    static const std::regex form(R"((127\.0\.0\.1|0\.0\.0\.0|localhost|\[::\]):([1-9][0-9]{1,4})\b)"
    );
    std::smatch found;
    auto text = whole_text(output_);
    return std::regex_search(text, found, form) && parse_address("127.0.0.1", found[2], address_);
}

std::optional<double> measured_process::cpu_seconds() const {
    // The process clock has nanoseconds where /proc/PID/stat has hundredths; threads that ended
    // are in it too.
    clockid_t clock;
    timespec used{};
    if (pid_ <= 0 || clock_getcpuclockid(pid_, &clock) != 0 || clock_gettime(clock, &used) != 0)
        return std::nullopt;
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

std::optional<double> measured_process::peak_rss_mb() const {
    if (pid_ <= 0)
        return std::nullopt;
    std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("VmHWM:"))
            return std::stod(line.substr(6)) / 1000.0 * 1.024;
    return std::nullopt;
}

} // namespace rivulet::bench
