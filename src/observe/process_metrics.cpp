#include "observe/process_metrics.hpp"

#include <dirent.h>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <unistd.h>

namespace rivulet::observe {
namespace {

struct process_numbers {
    double cpu_seconds = 0, start_seconds = 0, resident = 0, virtual_bytes = 0, threads = 0,
           open_files = 0, most_files = 0;
};

double boot_seconds() {
    std::ifstream file("/proc/stat");
    std::string key;
    double value = 0;
    while (file >> key) {
        if (key == "btime" && file >> value)
            return value;
        std::getline(file, key);
    }
    return 0;
}

// Fields of /proc/self/stat behind the program's name, which may hold anything: state is the first.
std::vector<double> stat_fields() {
    std::ifstream file("/proc/self/stat");
    const std::string all(std::istreambuf_iterator<char>(file), {});
    const auto name_end = all.rfind(')');
    std::vector<double> fields;
    if (name_end == std::string::npos)
        return fields;
    std::istringstream rest(all.substr(name_end + 1));
    std::string state;
    rest >> state;
    for (double value = 0; rest >> value;)
        fields.push_back(value);
    return fields;
}

double open_files() {
    auto* folder = ::opendir("/proc/self/fd");
    if (!folder)
        return 0;
    int count = -3; // ".", ".." and the one that reads
    while (::readdir(folder))
        ++count;
    ::closedir(folder);
    return count;
}

process_numbers read_process() {
    process_numbers out;
    const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
    // Field numbers of proc(5), less the four that are gone: pid, name, state and one for zero.
    const auto fields = stat_fields();
    if (fields.size() > 20) {
        out.cpu_seconds = (fields[10] + fields[11]) / ticks;
        out.threads = fields[16];
        out.start_seconds = boot_seconds() + fields[18] / ticks;
        out.virtual_bytes = fields[19];
        out.resident = fields[20] * page;
    }
    out.open_files = open_files();
    ::rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0)
        out.most_files = static_cast<double>(limit.rlim_cur);
    return out;
}

struct process_metrics {
    explicit process_metrics(metrics& in);
    void collect();

    counter cpu;
    gauge start, resident, virtual_bytes, threads, open, most;
    double cpu_seen = 0;
    std::shared_ptr<void> token;
};

process_metrics::process_metrics(metrics& in)
    : cpu(in.make_counter("process_cpu_seconds_total", "CPU time of the process.")),
      start(in.make_gauge("process_start_time_seconds", "When the process began, Unix time.")),
      resident(in.make_gauge("process_resident_memory_bytes", "Memory in use.")),
      virtual_bytes(in.make_gauge("process_virtual_memory_bytes", "Address space in use.")),
      threads(in.make_gauge("process_threads", "Threads of the process.")),
      open(in.make_gauge("process_open_fds", "Open files and sockets.")),
      most(in.make_gauge("process_max_fds", "Most open files and sockets allowed.")) {
    collect();
    token = in.before_text([this] { collect(); });
}

void process_metrics::collect() {
    const auto now = read_process();
    cpu.add(now.cpu_seconds - cpu_seen);
    cpu_seen = now.cpu_seconds;
    start.set(now.start_seconds);
    resident.set(now.resident);
    virtual_bytes.set(now.virtual_bytes);
    threads.set(now.threads);
    open.set(now.open_files);
    most.set(now.most_files);
}

} // namespace

std::shared_ptr<void> add_process_metrics(metrics& in) {
    return std::make_shared<process_metrics>(in);
}

} // namespace rivulet::observe
