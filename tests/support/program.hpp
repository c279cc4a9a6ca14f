// Other people's programs, run without a shell. Thread: the test's.
#pragma once

#include <csignal>
#include <fcntl.h>
#include <spawn.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace rivulet::test {

// Killed on destruction if it still runs.
class program {
  public:
    // Standard output and error go to `output`, standard input comes from `input`.
    explicit program(
        std::vector<std::string> words,
        const std::string& output = "/dev/null",
        const std::string& input = "/dev/null"
    ) {
        std::vector<char*> arguments;
        for (auto& word : words)
            arguments.push_back(word.data());
        arguments.push_back(nullptr);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, 0, input.c_str(), O_RDONLY, 0);
        posix_spawn_file_actions_addopen(
            &actions, 1, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600
        );
        posix_spawn_file_actions_adddup2(&actions, 1, 2);
        if (posix_spawnp(&pid_, arguments[0], &actions, nullptr, arguments.data(), environ) != 0)
            pid_ = -1;
        posix_spawn_file_actions_destroy(&actions);
    }

    program(const program&) = delete;
    program& operator=(const program&) = delete;

    ~program() {
        if (pid_ > 0) {
            kill(SIGKILL);
            wait();
        }
    }

    void kill(int signal) const { ::kill(pid_, signal); }

    // The exit code; -1 when it was killed or never ran.
    int wait() {
        if (pid_ <= 0)
            return -1;
        int status = 0;
        waitpid(std::exchange(pid_, -1), &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

  private:
    pid_t pid_ = -1;
};

} // namespace rivulet::test
