import java.io.*;
import java.net.*;

public class MultiServer {
    public static void main(String[] args) throws IOException {
        ServerSocket serverSocket = new ServerSocket(Integer.parseInt(args[0]), 50);
        int number = 0;
        while (true) {
            Socket clientSocket = serverSocket.accept();
            Worker worker = new Worker(clientSocket, ++number);
            worker.run();
        }
    }
}

class Worker extends Thread {
    private final Socket socket;
    private final int number;

    Worker(Socket socket, int number) {
        this.socket = socket;
        this.number = number;
    }

    @Override
    public void run() {
        try {
            BufferedReader in = new BufferedReader(new InputStreamReader(socket.getInputStream()));
            PrintWriter out = new PrintWriter(socket.getOutputStream(), true);
            String text;
            while ((text = in.readLine()) != null) {
                out.println("Client " + number + ": " + text);
            }
            socket.close();
        } catch (IOException e) {
            System.err.println("Client " + number + " failed: " + e.getMessage());
        }
    }
}
