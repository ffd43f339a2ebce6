import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/**
 * capitalize client: sends each line that you type, and prints the reply.
 *
 * <pre>javac Client.java and java Client HOST PORT</pre>
 *
 * Each gap(...) below is yours: put code in its place that does what it says.
 * The names after the words are the variables it needs.
 */
public class Client {
    /** Stands where your code is missing. What it returns here, yours must give. */
    static <T> T gap(int number, String what, Object... uses) {
        System.err.println("gap " + number + " is open: " + what);
        System.exit(1);
        return null;
    }

    public static void main(String[] args) throws Exception {
        if (args.length != 2) {
            System.err.println("usage: java Client HOST PORT");
            System.exit(2);
        }
        String host = args[0];
        int port = Integer.parseInt(args[1]);

        Socket socket = gap(1, "a Socket connected to the server", host, port);
        OutputStream out = socket.getOutputStream();
        BufferedReader replies = new BufferedReader(
                new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));

        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = input.readLine()) != null; ) {
            gap(2, "send the line, with its line end", out, line);
            String reply = replies.readLine();
            if (reply == null) {
                break; // the server has closed: CLOSE SOCKET has no reply
            }
            gap(3, "print the reply", reply);
        }
        gap(4, "close the connection", socket);
    }
}
