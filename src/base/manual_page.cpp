#include "base/manual_page.hpp"

#include "base/options_parts.hpp"

#include <fmt/format.h>

#include <array>

namespace rivulet {
namespace {

constexpr std::string_view beginning = R"(.SH NAME
rivulet \- live video in, transformed live video out
.SH SYNOPSIS
.nf
\fBrivulet\fR [\fIOPTION\fR]...
\fBrivulet worker\fR [\fIOPTION\fR]...
\fBrivulet trickle\fR [\fIOPTION\fR]...
\fBrivulet hash\-key\fR \fIPATTERN\fR \fIACTIONS\fR
.fi
.SH DESCRIPTION
Rivulet takes live video from browsers (WHIP), RTMP and SRT encoders and trickle clients, has it
transformed by a Livepeer AI orchestrator or by the worker that is built in, and serves the result
over WHEP, RTMP, SRT and trickle. It also answers the network's REST pipelines (text\-to\-image and
others) and OpenAI's API.
.PP
Without options it listens on this machine only and says on its first line of output which doors
are open. The console is a web page at the address of \fB\-httpAddr\fR.
.SH COMMANDS
)";

constexpr std::string_view before_options = R"(.TP
.B rivulet hash\-key \fIPATTERN\fR \fIACTIONS\fR
makes a line for the file of \fB\-streamKeys\fR. \fIPATTERN\fR is a stream's name, with * and ? for
any characters; \fIACTIONS\fR are publish, watch and control with commas between, or all. The key is
the first line of standard input; without one a key is made and shown on standard error. The line
goes to standard output.
.SH OPTIONS
Options are written \fB\-name value\fR, \fB\-name=value\fR or with two dashes. A switch needs no
value and is turned off by \fB\-name=false\fR. Durations are written as in 250ms, 1s or 1m30s, byte
counts as a number with an optional unit (1048576, 64MiB, 10MB). Where an option belongs to other
commands than the gateway, brackets name them.
)";

constexpr std::string_view ending = R"(.PP
Options of go\-livepeer that Rivulet does not use are accepted and named in the log.
.SH CONFIG FILE
Each line of the file of \fB\-config\fR is \fIname value\fR or \fIname=value\fR, with the names of
the options. A bare name means true; # begins a comment. One file may serve all commands: each takes
what belongs to it. \fBrivulet \-printConfig\fR prints such a file.
.SH ENVIRONMENT
Every option is also read from the environment: LP_ and its name in capitals, for example
LP_HTTPADDR. The command line is stronger than the environment, the environment than the file.
.TP
.B LP_CONFIG
stands for \fB\-config\fR.
.TP
.B NOTIFY_SOCKET
Set by a service manager, which is told when all doors are open and when the process is ending, see
\fBsd_notify\fR(3).
.SH OUTPUT
One line on standard output when everything listens, with the real ports:
.PP
.nf
rivulet VERSION ready: http 127.0.0.1:8935, rtmp 127.0.0.1:1935
.fi
.PP
The log goes to standard error.
.SH SIGNALS
.TP
.B SIGTERM\fR, \fBSIGINT
End in order: no new connections, replies in progress may take \fB\-drainTimeout\fR. A second one
ends the process at once.
.SH EXIT STATUS
.TP
.B 0
It ended in order after a signal, or printed the page that was asked for.
.TP
.B 1
It could not start (an address in use, an unreadable file), or was told twice to end.
.TP
.B 2
An option, a variable or a line of the config file is wrong; standard error says which.
.SH FILES
A package installs these; Rivulet itself reads only what it is told to.
.TP
.I /etc/rivulet/rivulet.conf
The config file of the services rivulet and rivulet\-worker.
.TP
.I /etc/rivulet/rivulet.env
Secrets of the services, NAME=VALUE a line; only root needs to read it. Not there unless you make it.
.TP
.I /var/lib/rivulet
What the services keep: results and jobs.
.SH EXAMPLES
A gateway whose doors are open to the network, with keys:
.PP
.nf
rivulet \-httpAddr 0.0.0.0:8935 \-rtmpAddr 0.0.0.0:1935 \-streamKeys keys.txt
.fi
.PP
Publish to it with ffmpeg and play the result:
.PP
.nf
ffmpeg \-re \-i FILE \-c copy \-f flv 'rtmp://127.0.0.1/live/cam?pipeline=noop'
ffplay \-fflags nobuffer rtmp://127.0.0.1/live/cam\-out
.fi
.PP
A worker on another machine, and the gateway that uses it:
.PP
.nf
rivulet worker \-serviceAddr 0.0.0.0:8936 \-tls
rivulet \-orchAddr worker\-host:8936
.fi
.SH SEE ALSO
\fBrivulet\-demo\fR(1), \fBffmpeg\fR(1), \fBgst\-launch\-1.0\fR(1)
.PP
The handbook and samples are in \fI/usr/share/doc/rivulet\fR.
)";

void append_item(std::string& page, std::string_view left, std::string_view text) {
    page += fmt::format(".TP\n{}\n{}\n", left, roff_text(text));
}

std::string left_of(std::string_view name, std::string_view alias, std::string_view kind) {
    auto left = fmt::format("\\fB{}\\fR", roff_text(fmt::format("-{}", name)));
    if (!alias.empty())
        left += fmt::format(", \\fB{}\\fR", roff_text(fmt::format("-{}", alias)));
    if (!kind.empty())
        left += fmt::format(" \\fI{}\\fR", roff_text(kind));
    return left;
}

// " [worker, trickle]"; nothing for what only the gateway has.
std::string owners_of(const setting& row) {
    constexpr std::array all{command::gateway, command::worker, command::trickle};
    constexpr std::array<std::string_view, 3> names{"gateway", "worker", "trickle"};
    std::string owners;
    bool only_gateway = true;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (!row.belongs_to(all[i]))
            continue;
        only_gateway = only_gateway && all[i] == command::gateway;
        owners += owners.empty() ? "" : ", ";
        owners += names[i];
    }
    return only_gateway ? "" : fmt::format(" [{}]", owners);
}

std::vector<std::string_view> all_groups() {
    std::vector<std::string_view> groups;
    for (const auto& row : settings_table())
        if (groups.empty() || groups.back() != row.group)
            groups.push_back(row.group);
    return groups;
}

} // namespace

std::string roff_text(std::string_view text) {
    std::string line;
    bool bold = false;
    // A line that begins with a full stop or an apostrophe would be a request.
    if (text.starts_with('.') || text.starts_with('\''))
        line += "\\&";
    for (char c : text) {
        switch (c) {
        case '\\':
            line += "\\e";
            break;
        case '-':
            line += "\\-";
            break;
        case '\'':
            line += "\\(aq";
            break;
        case '^':
            line += "\\(ha";
            break;
        case '~':
            line += "\\(ti";
            break;
        case '\n':
            line += ' ';
            break;
        case '`':
            bold = !bold;
            line += bold ? "\\fB" : "\\fR";
            break;
        default:
            line += c;
        }
    }
    if (bold)
        line += "\\fR";
    return line;
}

std::string manual_page() {
    auto page = fmt::format(
        ".\\\" Made by `rivulet -helpMan`; do not edit.\n"
        ".TH RIVULET 1 \"\" \"Rivulet {}\" \"User Commands\"\n",
        RIVULET_VERSION
    );
    page += beginning;
    for (const auto& each : command_abouts())
        append_item(
            page,
            fmt::format("\\fB{}\\fR", roff_text(program_name(each.which))),
            std::string(each.about) + "."
        );
    page += before_options;
    for (auto group : all_groups()) {
        page += fmt::format(".SS {}\n", roff_text(group));
        for (const auto& row : settings_table())
            if (row.group == group)
                append_item(
                    page,
                    left_of(row.name, row.alias, value_kind(row)),
                    sentence_of(row) + owners_of(row)
                );
    }
    page += ".SS General\n";
    for (const auto& each : general_options())
        append_item(page, left_of(each.name, "", each.kind), each.help);
    page += ending;
    return page;
}

} // namespace rivulet
