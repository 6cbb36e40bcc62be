# Fills the figures of tests into the table of faults: awk -v title=WORDS -f figures.awk FIGURES DOCUMENT prints the document
# with WORDS in place of the line `Figures of …`.
#
# A row of FIGURES is `BINARY MODULE::TEST<tab>lines<tab>RUN<tab>WRITTEN<tab>DELIVERED<tab>REPEATED<tab>LOST` or
# `BINARY MODULE::TEST<tab>unreachable<tab>PROCESS<tab>BYTES`. Of one run the last row counts, of one process the most
# bytes; runs and processes are summed up by test, and tests by row. Rows of the document with a test that has no
# figures stay as they are, and are named on stderr.
BEGIN { FS = "\t" }
FNR == NR {
    split($1, name, " ")
    test = name[2]
    if ($2 == "lines") {
        key = test SUBSEP $3
        if (!(key in written)) runs[test] = runs[test] (runs[test] == "" ? "" : SUBSEP) $3
        written[key] = $4; delivered[key] = $5; repeated[key] = $6; lost[key] = $7
    } else if ($2 == "unreachable") {
        key = test SUBSEP $3
        if (!(key in bytes)) processes[test] = processes[test] (processes[test] == "" ? "" : SUBSEP) $3
        if ($4 + 0 >= bytes[key] + 0) bytes[key] = $4
    }
    next
}
/^Figures of / && title != "" { print "Figures of " title "."; next }
/^<!-- begin faults -->/ { inside = 1 }
/^<!-- end -->/ { inside = 0 }
inside && /^\|/ && /::/ {
    cells = split($0, cell, "|")
    parts = split(cell[3], part, "`")
    sum["w"] = sum["d"] = sum["r"] = sum["l"] = sum["u"] = 0
    complete = 1
    for (i = 2; i <= parts; i += 2) {
        words = split(part[i], word, " ")
        test = word[words]
        if (runs[test] == "") { complete = 0; print "no figures: " test > "/dev/stderr"; continue }
        count = split(runs[test], run, SUBSEP)
        for (j = 1; j <= count; j++) {
            key = test SUBSEP run[j]
            sum["w"] += written[key]; sum["d"] += delivered[key]; sum["r"] += repeated[key]; sum["l"] += lost[key]
        }
        count = split(processes[test], run, SUBSEP)
        for (j = 1; j <= count; j++) sum["u"] += bytes[test SUBSEP run[j]]
    }
    if (complete && cells == 10) {
        printf "|%s|%s| %d | %d | %d | %d | %d |%s|\n", cell[2], cell[3], sum["w"], sum["d"], sum["r"], sum["l"], sum["u"], cell[9]
        next
    }
}
{ print }
