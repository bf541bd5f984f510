# Completion of caulk for bash.
_caulk() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local commands="leaks run lines snapshot top tree why diff attach detach doctor"
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W "$commands --help --version" -- "$word"))
        return
    fi
    case ${COMP_WORDS[1]} in
    run | lines)
        if [[ $word == -* ]]; then
            local own="--python --interval --budget --native --native-stacks --output --json --limit --help"
            [[ ${COMP_WORDS[1]} == run ]] && own+=" --every-byte --watch --quiet" || own+=" --all"
            COMPREPLY=($(compgen -W "$own" -- "$word"))
        else
            COMPREPLY=($(compgen -f -- "$word") $(compgen -c -- "$word"))
        fi
        return ;;
    esac
    case $before in
    --by | -b) COMPREPLY=($(compgen -W "retained bytes count" -- "$word")); return ;;
    --json | --output | -o | --types) COMPREPLY=($(compgen -f -- "$word")); return ;;
    --seconds | --snapshots | --interval | --budget | --limit | --depth | -s | -n | -l | -d) return ;;
    esac
    if [[ $word == -* ]]; then
        local options="--json --help"
        [[ ${COMP_WORDS[1]} == @(doctor|attach|detach) ]] || options+=" --pause --types"
        case ${COMP_WORDS[1]} in
        leaks) options+=" --seconds --snapshots --lines --native --native-stacks" ;;
        attach) options+=" --seconds --interval --budget --every-byte --native --native-stacks --output" ;;
        snapshot) options+=" --output --values" ;;
        top) options+=" --by --limit" ;;
        tree) options+=" --depth --limit" ;;
        why | diff) options+=" --limit" ;;
        esac
        COMPREPLY=($(compgen -W "$options" -- "$word"))
        return
    fi
    COMPREPLY=($(compgen -W "$(pgrep -d ' ' -f python 2>/dev/null)" -- "$word") $(compgen -f -X '!*.caulk' -- "$word"))
}
complete -o filenames -F _caulk caulk
